-- Continuous aggregates, each on the one below, answering in real time: rows above what is materialised are
-- computed from the relation below at query time. materialized_only must be said, it is true by default.

create materialized view usage_15min
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
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

create materialized view usage_hourly
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
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
from usage_15min
group by 1, org_id, model_id, client_id
with no data;

create materialized view usage_daily
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
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
from usage_hourly
group by 1, org_id, model_id, client_id
with no data;

create materialized view latency_hourly
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 hour', occurred_at) as bucket,
  org_id,
  model_id,
  latency_bin,
  count(*) as requests
from usage_events
group by 1, org_id, model_id, latency_bin
with no data;

create materialized view latency_daily
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 day', bucket) as bucket,
  org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_hourly
group by 1, org_id, model_id, latency_bin
with no data;

create index usage_15min_by_org on usage_15min (org_id, bucket);
create index usage_hourly_by_org on usage_hourly (org_id, bucket);
create index usage_daily_by_org on usage_daily (org_id, bucket);
create index latency_hourly_by_org on latency_hourly (org_id, bucket);
create index latency_daily_by_org on latency_daily (org_id, bucket);

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
