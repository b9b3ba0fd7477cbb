-- Latencies over all models, of an organisation and of the platform. Until now each percentile was added up from every
-- model's bins: 600,000 rows for seven days by the hour of a large organisation, where 16,500 are left of them.

-- What is added here is materialised up to this; above it the relations below answer, as before. As quarters_through in
-- 0017: nothing is filled here, and a release that does not know of it may go on meanwhile.
alter table rollup_state add column latency_sums_through timestamptz not null default '-infinity';

create materialized view org_latency_hourly_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 hour', bucket) as bucket,
  org_id,
  ''::text as model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_hourly_materialized
group by 1, org_id, latency_bin
with no data;

-- From days, not from the hours above, which may be kept for a shorter time.
create materialized view org_latency_daily_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 day', bucket) as bucket,
  org_id,
  ''::text as model_id,
  latency_bin,
  sum(requests)::bigint as requests
from latency_daily_materialized
group by 1, org_id, latency_bin
with no data;

create materialized view platform_latency_hourly_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 hour', bucket) as bucket,
  '00000000-0000-0000-0000-000000000000'::uuid as org_id,
  ''::text as model_id,
  latency_bin,
  sum(requests)::bigint as requests
from model_latency_hourly_materialized
group by 1, latency_bin
with no data;

create materialized view platform_latency_daily_materialized
with (timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) as
select
  time_bucket(interval '1 day', bucket) as bucket,
  '00000000-0000-0000-0000-000000000000'::uuid as org_id,
  ''::text as model_id,
  latency_bin,
  sum(requests)::bigint as requests
from model_latency_daily_materialized
group by 1, latency_bin
with no data;

create index org_latency_hourly_by_org on org_latency_hourly_materialized (org_id, bucket);
create index org_latency_daily_by_org on org_latency_daily_materialized (org_id, bucket);

create view org_latency_hourly as
select bucket, org_id, model_id, latency_bin, requests
from org_latency_hourly_materialized
where (bucket < (select date_trunc('hour', latency_sums_through, 'UTC') from rollup_state)) is true
union all
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from latency_hourly
where bucket >= (select date_trunc('hour', latency_sums_through, 'UTC') from rollup_state)
group by 1, 2, 4;

-- The day that is not over comes from the hours; where those were never filled, from every model's days.
create view org_latency_daily as
select bucket, org_id, model_id, latency_bin, requests
from org_latency_daily_materialized
where (bucket < (select date_trunc('day', latency_sums_through, 'UTC') from rollup_state)) is true
union all
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from latency_daily_materialized
where bucket >= (select date_trunc('day', latency_sums_through, 'UTC') from rollup_state)
  and bucket < (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 4
union all
select
  date_trunc('day', bucket, 'UTC') as bucket,
  org_id,
  ''::text as model_id,
  latency_bin,
  sum(requests)::bigint as requests
from org_latency_hourly
where bucket >= (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 4;

create view platform_latency_hourly as
select bucket, org_id, model_id, latency_bin, requests
from platform_latency_hourly_materialized
where (bucket < (select date_trunc('hour', latency_sums_through, 'UTC') from rollup_state)) is true
union all
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from model_latency_hourly
where bucket >= (select date_trunc('hour', latency_sums_through, 'UTC') from rollup_state)
group by 1, 2, 4;

create view platform_latency_daily as
select bucket, org_id, model_id, latency_bin, requests
from platform_latency_daily_materialized
where (bucket < (select date_trunc('day', latency_sums_through, 'UTC') from rollup_state)) is true
union all
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from model_latency_daily_materialized
where bucket >= (select date_trunc('day', latency_sums_through, 'UTC') from rollup_state)
  and bucket < (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 4
union all
select
  date_trunc('day', bucket, 'UTC') as bucket,
  org_id,
  ''::text as model_id,
  latency_bin,
  sum(requests)::bigint as requests
from platform_latency_hourly
where bucket >= (select date_trunc('day', materialized_through, 'UTC') from rollup_state)
group by 1, 2, 4;

select grant_to_roles();
