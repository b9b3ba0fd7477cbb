-- The rollups as everyone reads them, on both engines: what is materialised up to rollup_state.materialized_through,
-- and above it what the relation below says at this moment. One watermark for all of them, so that all answers of one
-- snapshot agree.
-- "is true" keeps the comparison with the watermark out of the index conditions: PostgreSQL cannot guess its value, takes
-- it for one side of a narrow range and reads a week by time instead of by organisation (750 ms instead of 100).

create view usage_hourly as
select
  bucket,
  org_id,
  model_id,
  client_id,
  requests,
  successes,
  errors,
  timeouts,
  throttled,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost,
  latency_sum_ms,
  latency_max_ms
from usage_hourly_materialized
where (bucket < (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)) is true
union all
select
  date_trunc('hour', bucket, 'UTC') as bucket,
  org_id,
  model_id,
  client_id,
  sum(requests)::bigint as requests,
  sum(successes)::bigint as successes,
  sum(errors)::bigint as errors,
  sum(timeouts)::bigint as timeouts,
  sum(throttled)::bigint as throttled,
  sum(input_tokens)::bigint as input_tokens,
  sum(cached_input_tokens)::bigint as cached_input_tokens,
  sum(output_tokens)::bigint as output_tokens,
  sum(cost) as cost,
  sum(latency_sum_ms)::bigint as latency_sum_ms,
  max(latency_max_ms) as latency_max_ms
from usage_15min
where bucket >= (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 3, 4;

create view usage_daily as
select
  bucket,
  org_id,
  model_id,
  client_id,
  requests,
  successes,
  errors,
  timeouts,
  throttled,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost,
  latency_sum_ms,
  latency_max_ms
from usage_daily_materialized
where (bucket < (select date_trunc('day', materialized_through, 'UTC') from rollup_state)) is true
union all
select
  date_trunc('day', bucket, 'UTC') as bucket,
  org_id,
  model_id,
  client_id,
  sum(requests)::bigint as requests,
  sum(successes)::bigint as successes,
  sum(errors)::bigint as errors,
  sum(timeouts)::bigint as timeouts,
  sum(throttled)::bigint as throttled,
  sum(input_tokens)::bigint as input_tokens,
  sum(cached_input_tokens)::bigint as cached_input_tokens,
  sum(output_tokens)::bigint as output_tokens,
  sum(cost) as cost,
  sum(latency_sum_ms)::bigint as latency_sum_ms,
  max(latency_max_ms) as latency_max_ms
from usage_hourly
where bucket >= (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 3, 4;

create view org_usage_hourly as
select
  bucket,
  org_id,
  model_id,
  client_id,
  requests,
  successes,
  errors,
  timeouts,
  throttled,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost,
  latency_sum_ms,
  latency_max_ms
from org_usage_hourly_materialized
where (bucket < (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)) is true
union all
select
  date_trunc('hour', bucket, 'UTC') as bucket,
  org_id,
  ''::text as model_id,
  ''::text as client_id,
  sum(requests)::bigint as requests,
  sum(successes)::bigint as successes,
  sum(errors)::bigint as errors,
  sum(timeouts)::bigint as timeouts,
  sum(throttled)::bigint as throttled,
  sum(input_tokens)::bigint as input_tokens,
  sum(cached_input_tokens)::bigint as cached_input_tokens,
  sum(output_tokens)::bigint as output_tokens,
  sum(cost) as cost,
  sum(latency_sum_ms)::bigint as latency_sum_ms,
  max(latency_max_ms) as latency_max_ms
from usage_hourly
where bucket >= (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)
group by 1, 2;

create view org_usage_daily as
select
  bucket,
  org_id,
  model_id,
  client_id,
  requests,
  successes,
  errors,
  timeouts,
  throttled,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost,
  latency_sum_ms,
  latency_max_ms
from org_usage_daily_materialized
where (bucket < (select date_trunc('day', materialized_through, 'UTC') from rollup_state)) is true
union all
select
  date_trunc('day', bucket, 'UTC') as bucket,
  org_id,
  ''::text as model_id,
  ''::text as client_id,
  sum(requests)::bigint as requests,
  sum(successes)::bigint as successes,
  sum(errors)::bigint as errors,
  sum(timeouts)::bigint as timeouts,
  sum(throttled)::bigint as throttled,
  sum(input_tokens)::bigint as input_tokens,
  sum(cached_input_tokens)::bigint as cached_input_tokens,
  sum(output_tokens)::bigint as output_tokens,
  sum(cost) as cost,
  sum(latency_sum_ms)::bigint as latency_sum_ms,
  max(latency_max_ms) as latency_max_ms
from org_usage_hourly
where bucket >= (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 2;

create view latency_daily as
select bucket, org_id, model_id, latency_bin, requests
from latency_daily_materialized
where (bucket < (select date_trunc('day', materialized_through, 'UTC') from rollup_state)) is true
union all
select
  date_trunc('day', bucket, 'UTC') as bucket,
  org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_hourly
where bucket >= (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 3, 4;

create view model_latency_hourly as
select bucket, org_id, model_id, latency_bin, requests
from model_latency_hourly_materialized
where (bucket < (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)) is true
union all
select
  date_trunc('hour', bucket, 'UTC') as bucket,
  '00000000-0000-0000-0000-000000000000'::uuid as org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_hourly
where bucket >= (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)
group by 1, 3, 4;

create view model_latency_daily as
select bucket, org_id, model_id, latency_bin, requests
from model_latency_daily_materialized
where (bucket < (select date_trunc('day', materialized_through, 'UTC') from rollup_state)) is true
union all
select
  date_trunc('day', bucket, 'UTC') as bucket,
  '00000000-0000-0000-0000-000000000000'::uuid as org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from model_latency_hourly
where bucket >= (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 3, 4;
