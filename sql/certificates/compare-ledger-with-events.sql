-- Compares what the ledger says was stored with the events that are there, by organisation and hour.
-- $1 organisation, or null for all  $2 start  $3 end, both on whole hours  $4 differences to list
-- Columns: relation, expectedRequests, requests, differing, awaiting (always 0), differences (JSON text).
-- Index: primary key of ingest_ledger, usage_events_by_org.
with base as (
  select org_id, date_trunc('hour', occurred_at, 'UTC') as bucket, count(*) as requests
  from usage_events
  where ($1::uuid is null or org_id = $1::uuid)
    and occurred_at >= $2::timestamptz
    and occurred_at < $3::timestamptz
  group by 1, 2
), ledger as (
  select org_id, hour as bucket, stored as requests
  from ingest_ledger
  where ($1::uuid is null or org_id = $1::uuid)
    and hour >= $2::timestamptz
    and hour < $3::timestamptz
    and stored > 0
), compared as (
  select
    bucket,
    org_id,
    base.requests as expected,
    ledger.requests as found,
    base.requests is distinct from ledger.requests as differs
  from base
  full join ledger using (org_id, bucket)
), numbered as (
  select compared.*, row_number() over (partition by differs order by bucket, org_id) as place
  from compared
)
select
  'ingest_ledger' as relation,
  coalesce(sum(expected), 0)::text as "expectedRequests",
  coalesce(sum(found), 0)::text as requests,
  count(*) filter (where differs)::integer as differing,
  0 as awaiting,
  coalesce(
    jsonb_agg(
      jsonb_build_object(
        'orgId', org_id,
        'bucket', to_char(bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'expected', case when expected is not null then jsonb_build_object('requests', expected::text) end,
        'found', case when found is not null then jsonb_build_object('requests', found::text) end)
      order by place)
    filter (where differs and place <= $4::integer),
    '[]')::text as differences
from numbered
