-- What is materialised of the rollups: continuous aggregates, each on the one below. The relations that answer, in
-- real time, are views over them (0014): TimescaleDB's own real-time views evaluate their watermark once a row, 20 µs
-- each (2.13.1), which made a question that reads 39,000 events above it take 800 ms.

create materialized view usage_15min_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '15 minutes', occurred_at) as bucket,
  org_id,
  model_id,
  client_id,
  count(*) as requests,
  count(*) filter (where status = 'success') as successes,
  count(*) filter (where status = 'error') as errors,
  count(*) filter (where status = 'timeout') as timeouts,
  count(*) filter (where status = 'throttled') as throttled,
  sum(input_tokens) as input_tokens,
  coalesce(sum(cached_input_tokens), 0) as cached_input_tokens,
  sum(output_tokens) as output_tokens,
  sum(cost) as cost,
  sum(latency_ms) as latency_sum_ms,
  max(latency_ms) as latency_max_ms
from usage_events
group by bucket, org_id, model_id, client_id
with no data;

create materialized view usage_hourly_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 hour', bucket) as bucket,
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
from usage_15min_materialized
group by 1, org_id, model_id, client_id
with no data;

create materialized view usage_daily_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 day', bucket) as bucket,
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
from usage_hourly_materialized
group by 1, org_id, model_id, client_id
with no data;

create materialized view latency_hourly_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 hour', occurred_at) as bucket,
  org_id,
  model_id,
  latency_bin,
  count(*) as requests
from usage_events
group by 1, org_id, model_id, latency_bin
with no data;

create materialized view latency_daily_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 day', bucket) as bucket,
  org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_hourly_materialized
group by 1, org_id, model_id, latency_bin
with no data;

-- Per organisation alone, for questions that tell neither models nor clients apart. The columns are those of
-- usage_hourly, with the dimensions that are summed over empty.
create materialized view org_usage_hourly_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 hour', bucket) as bucket,
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
from usage_hourly_materialized
group by 1, org_id
with no data;

create materialized view org_usage_daily_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 day', bucket) as bucket,
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
from org_usage_hourly_materialized
group by 1, org_id
with no data;

-- Per model over all organisations, for questions about the platform; org_id is the nil UUID.
create materialized view model_latency_hourly_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 hour', bucket) as bucket,
  '00000000-0000-0000-0000-000000000000'::uuid as org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_hourly_materialized
group by 1, model_id, latency_bin
with no data;

create materialized view model_latency_daily_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 day', bucket) as bucket,
  '00000000-0000-0000-0000-000000000000'::uuid as org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from model_latency_hourly_materialized
group by 1, model_id, latency_bin
with no data;

create index usage_15min_by_org on usage_15min_materialized (org_id, bucket);
create index usage_hourly_by_org on usage_hourly_materialized (org_id, bucket);
create index usage_daily_by_org on usage_daily_materialized (org_id, bucket);
create index latency_hourly_by_org on latency_hourly_materialized (org_id, bucket);
create index latency_daily_by_org on latency_daily_materialized (org_id, bucket);
create index org_usage_hourly_by_org on org_usage_hourly_materialized (org_id, bucket);
create index org_usage_daily_by_org on org_usage_daily_materialized (org_id, bucket);

-- Never holds a row. Refreshing it moves the threshold below which usage_events notes what was changed, and does
-- nothing else: the threshold has to be at the watermark before the watermark is announced. Were it moved by the
-- refresh of the rollups, a batch that committed just then would go unnoticed, and a later refresh of the same range
-- would find nothing to do (seen with TimescaleDB 2.13.1).
create materialized view usage_events_threshold
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select time_bucket(interval '15 minutes', occurred_at) as bucket, count(*) as requests
from usage_events
where false
group by 1
with no data;

-- Above what is materialised, from the events; on plain PostgreSQL these two are tables that a trigger keeps.
create view usage_15min as
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
from usage_15min_materialized
where (bucket < (
  select date_bin(interval '15 minutes', materialized_through, timestamptz '2000-01-01 00:00:00+00')
  from rollup_state
)) is true
union all
select
  time_bucket(interval '15 minutes', occurred_at) as bucket,
  org_id,
  model_id,
  client_id,
  count(*) as requests,
  count(*) filter (where status = 'success') as successes,
  count(*) filter (where status = 'error') as errors,
  count(*) filter (where status = 'timeout') as timeouts,
  count(*) filter (where status = 'throttled') as throttled,
  sum(input_tokens) as input_tokens,
  coalesce(sum(cached_input_tokens), 0) as cached_input_tokens,
  sum(output_tokens) as output_tokens,
  sum(cost) as cost,
  sum(latency_ms) as latency_sum_ms,
  max(latency_ms) as latency_max_ms
from usage_events
where occurred_at >= (
  select date_bin(interval '15 minutes', materialized_through, timestamptz '2000-01-01 00:00:00+00')
  from rollup_state
)
group by 1, 2, 3, 4;

create view latency_hourly as
select bucket, org_id, model_id, latency_bin, requests
from latency_hourly_materialized
where (bucket < (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)) is true
union all
select time_bucket(interval '1 hour', occurred_at) as bucket, org_id, model_id, latency_bin, count(*) as requests
from usage_events
where occurred_at >= (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 3, 4;
