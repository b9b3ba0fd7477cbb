-- What a question reads of the hour that is not over. Until now usage of an organisation by the quarter of an hour was
-- added up from every model and client, and latencies from every event since the hour began. These are kept by the
-- quarter, so that single events are read only above the watermark.

-- What is added here is materialised up to this; above it the relations below answer, as before. Nothing is filled here:
-- batches and questions would have to wait for it. The next advance fills and moves the mark. The release before goes on
-- while processes are replaced, or after going back to it: it moves materialized_through and does not know of this one.
alter table rollup_state add column quarters_through timestamptz not null default '-infinity';

create materialized view org_usage_15min_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '15 minutes', bucket) as bucket,
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
from usage_15min_materialized
group by 1, org_id
with no data;

-- Only for the hour that is not over: retention keeps the day of the watermark.
create materialized view latency_15min_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '15 minutes', occurred_at) as bucket,
  org_id,
  model_id,
  latency_bin,
  count(*) as requests
from usage_events
group by 1, org_id, model_id, latency_bin
with no data;

create materialized view model_latency_15min_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '15 minutes', bucket) as bucket,
  '00000000-0000-0000-0000-000000000000'::uuid as org_id,
  model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_15min_materialized
group by 1, model_id, latency_bin
with no data;

create index org_usage_15min_by_org on org_usage_15min_materialized (org_id, bucket);
create index latency_15min_by_org on latency_15min_materialized (org_id, bucket);

-- Chunks of a day, because whole ones are dropped and the default is ten.
do $$
declare
  kept text;
begin
  for kept in
    select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
    from timescaledb_information.continuous_aggregates
    where view_name in ('latency_15min_materialized', 'model_latency_15min_materialized')
  loop
    perform set_chunk_time_interval(kept::regclass, interval '1 day');
  end loop;
end
$$;

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
where (bucket < (select quarters_through from rollup_state)) is true
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
where bucket >= (select quarters_through from rollup_state)
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

create or replace view latency_hourly as
select bucket, org_id, model_id, latency_bin, requests
from latency_hourly_materialized
where (bucket < (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)) is true
union all
select date_trunc('hour', bucket, 'UTC') as bucket, org_id, model_id, latency_bin, sum(requests)::bigint as requests
from (
  select bucket, org_id, model_id, latency_bin, requests
  from latency_15min_materialized
  where bucket >= (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)
    and (bucket < (select quarters_through from rollup_state)) is true
  union all
  select time_bucket(interval '15 minutes', occurred_at) as bucket, org_id, model_id, latency_bin, count(*) as requests
  from usage_events
  where occurred_at >= (
    select greatest(date_trunc('hour', materialized_through, 'UTC'), quarters_through) from rollup_state
  )
  group by 1, 2, 3, 4
) as quarters
group by 1, 2, 3, 4;

create or replace view model_latency_hourly as
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
from (
  select bucket, model_id, latency_bin, requests
  from model_latency_15min_materialized
  where bucket >= (select date_trunc('hour', materialized_through, 'UTC') from rollup_state)
    and (bucket < (select quarters_through from rollup_state)) is true
  union all
  select time_bucket(interval '15 minutes', occurred_at) as bucket, model_id, latency_bin, count(*) as requests
  from usage_events
  where occurred_at >= (
    select greatest(date_trunc('hour', materialized_through, 'UTC'), quarters_through) from rollup_state
  )
  group by 1, 2, 3
) as quarters
group by 1, 3, 4;

select grant_to_roles();
