-- Usage of an organisation alone by the quarter of an hour, as everyone reads it, and the hour that is not over made from
-- it. See 0014 for the rules these views follow.

create view org_usage_15min as
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
from org_usage_15min_materialized
where (bucket < (
  select date_bin(interval '15 minutes', materialized_through, timestamptz '2000-01-01 00:00:00+00')
  from rollup_state
)) is true
union all
select
  bucket,
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
from usage_15min
where bucket >= (
  select date_bin(interval '15 minutes', materialized_through, timestamptz '2000-01-01 00:00:00+00')
  from rollup_state
)
group by 1, 2;

create or replace view org_usage_hourly as
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
from org_usage_15min
where bucket >= (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)
group by 1, 2;

select grant_to_roles();
