-- From where on rollups that a later release has added may lack what they are summed up from.
-- $1 from where on single events are kept, or null
-- Before its first mark all of a rollup may: what lies below $1 changes no more.
-- Columns: relation, start, filled (below it only what another release has done is lacking). No row when nothing can be.
with added (relation, through, oldest) as (
  select 'org_usage_15min_materialized', quarters_through, (select min(bucket) from usage_15min_materialized)
  from rollup_state
  union all
  select 'org_latency_hourly_materialized', latency_sums_through, (select min(bucket) from latency_hourly_materialized)
  from rollup_state
  union all
  select 'org_latency_daily_materialized', latency_sums_through, (select min(bucket) from latency_daily_materialized)
  from rollup_state
  union all
  select
    'platform_latency_hourly_materialized',
    latency_sums_through,
    (select min(bucket) from model_latency_hourly_materialized)
  from rollup_state
  union all
  select
    'platform_latency_daily_materialized',
    latency_sums_through,
    (select min(bucket) from model_latency_daily_materialized)
  from rollup_state
)
select
  relation,
  case when through = '-infinity' then oldest else coalesce($1::timestamptz, oldest) end as start,
  case when through = '-infinity' then oldest else through end as filled
from added
where oldest is not null
