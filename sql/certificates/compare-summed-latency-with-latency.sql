-- Compares latency bins by organisation alone, by model over all organisations, and over both, with those by organisation
-- and model, by the hour and by the day.
-- $1 organisation, or null for all: of one there is nothing to compare over all, and no row
-- $2 start  $3 end, both on whole hours  $4 differences to list per relation
-- Only buckets that lie wholly within [start, end) are compared. A bucket that waits for the refresh of late events is
-- counted as awaiting and is no difference.
-- Columns: relation, expectedRequests, requests, differing, awaiting (bins), differences (JSON text: organisation, the
-- nil UUID for all; bucket, model, empty for all, bin, and the requests as expected and as found; null where there
-- should be, or is, no row).
-- Index: (org_id, bucket) of the rollups, or their own by bucket.
with sketch as (
  select bucket as hour, date_trunc('day', bucket, 'UTC') as day, org_id, model_id, latency_bin, requests
  from latency_hourly
  where ($1::uuid is null or org_id = $1::uuid)
    and bucket >= $2::timestamptz
    and bucket < $3::timestamptz
), base as (
  select 'org_latency_hourly' as relation, hour as bucket, org_id, '' as model_id, latency_bin, sum(requests) as requests
  from sketch
  group by hour, org_id, latency_bin
  union all
  select 'org_latency_daily' as relation, day as bucket, org_id, '' as model_id, latency_bin, sum(requests) as requests
  from sketch
  where day >= $2::timestamptz
    and day <= $3::timestamptz - interval '1 day'
  group by day, org_id, latency_bin
  union all
  select
    'model_latency_hourly' as relation,
    hour as bucket,
    '00000000-0000-0000-0000-000000000000'::uuid as org_id,
    model_id,
    latency_bin,
    sum(requests) as requests
  from sketch
  where $1::uuid is null
  group by hour, model_id, latency_bin
  union all
  select
    'model_latency_daily' as relation,
    day as bucket,
    '00000000-0000-0000-0000-000000000000'::uuid as org_id,
    model_id,
    latency_bin,
    sum(requests) as requests
  from sketch
  where $1::uuid is null
    and day >= $2::timestamptz
    and day <= $3::timestamptz - interval '1 day'
  group by day, model_id, latency_bin
  union all
  select
    'platform_latency_hourly' as relation,
    hour as bucket,
    '00000000-0000-0000-0000-000000000000'::uuid as org_id,
    '' as model_id,
    latency_bin,
    sum(requests) as requests
  from sketch
  where $1::uuid is null
  group by hour, latency_bin
  union all
  select
    'platform_latency_daily' as relation,
    day as bucket,
    '00000000-0000-0000-0000-000000000000'::uuid as org_id,
    '' as model_id,
    latency_bin,
    sum(requests) as requests
  from sketch
  where $1::uuid is null
    and day >= $2::timestamptz
    and day <= $3::timestamptz - interval '1 day'
  group by day, latency_bin
), rolled_up as (
  select 'org_latency_hourly' as relation, bucket, org_id, model_id, latency_bin, requests
  from org_latency_hourly
  where ($1::uuid is null or org_id = $1::uuid)
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 hour'
  union all
  select 'org_latency_daily' as relation, bucket, org_id, model_id, latency_bin, requests
  from org_latency_daily
  where ($1::uuid is null or org_id = $1::uuid)
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 day'
  union all
  select 'model_latency_hourly' as relation, bucket, org_id, model_id, latency_bin, requests
  from model_latency_hourly
  where $1::uuid is null
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 hour'
  union all
  select 'model_latency_daily' as relation, bucket, org_id, model_id, latency_bin, requests
  from model_latency_daily
  where $1::uuid is null
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 day'
  union all
  select 'platform_latency_hourly' as relation, bucket, org_id, model_id, latency_bin, requests
  from platform_latency_hourly
  where $1::uuid is null
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 hour'
  union all
  select 'platform_latency_daily' as relation, bucket, org_id, model_id, latency_bin, requests
  from platform_latency_daily
  where $1::uuid is null
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 day'
), compared as (
  select
    coalesce(base.relation, rolled_up.relation) as relation,
    coalesce(base.bucket, rolled_up.bucket) as bucket,
    coalesce(base.org_id, rolled_up.org_id) as org_id,
    coalesce(base.model_id, rolled_up.model_id) as model_id,
    coalesce(base.latency_bin, rolled_up.latency_bin) as latency_bin,
    base.requests as expected,
    rolled_up.requests as found,
    base.requests is distinct from rolled_up.requests as differs
  from base
  full join rolled_up using (relation, bucket, org_id, model_id, latency_bin)
), judged as (
  select
    compared.*,
    differs and exists (
      select from dirty_windows
      where (dirty_windows.org_id = compared.org_id or compared.relation not like 'org%')
        and dirty_windows.hour > compared.bucket - interval '1 hour'
        and dirty_windows.hour < compared.bucket
          + case when compared.relation like '%daily' then interval '1 day' else interval '1 hour' end
    ) as awaits_refresh
  from compared
), numbered as (
  select
    judged.*,
    row_number() over (
      partition by relation, differs and not awaits_refresh order by bucket, org_id, model_id, latency_bin
    ) as place
  from judged
)
select
  relation,
  coalesce(sum(expected), 0)::text as "expectedRequests",
  coalesce(sum(found), 0)::text as requests,
  count(*) filter (where differs and not awaits_refresh)::integer as differing,
  count(*) filter (where awaits_refresh)::integer as awaiting,
  coalesce(
    jsonb_agg(
      jsonb_build_object(
        'orgId', org_id,
        'bucket', to_char(bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'modelId', model_id,
        'latencyBin', latency_bin,
        'expected', case when expected is not null then jsonb_build_object('requests', expected::text) end,
        'found', case when found is not null then jsonb_build_object('requests', found::text) end)
      order by place)
    filter (where differs and not awaits_refresh and place <= $4::integer),
    '[]')::text as differences
from numbered
group by relation
order by relation
