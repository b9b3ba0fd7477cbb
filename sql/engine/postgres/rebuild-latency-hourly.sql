-- Makes latency_hourly what the events say.
-- $1, $2: half-open range on bucket boundaries  $3 organisation, or null for all
-- Nothing may be added to the range meanwhile: hold rollup_state first. Rows that are right are not written.
with computed as materialized (
  select date_trunc('hour', occurred_at, 'UTC') as bucket, org_id, model_id, latency_bin, count(*) as requests
  from usage_events
  where occurred_at >= $1::timestamptz and occurred_at < $2::timestamptz
    and ($3::uuid is null or org_id = $3::uuid)
  group by 1, 2, 3, 4
), gone as (
  delete from latency_hourly as kept
  where kept.bucket >= $1::timestamptz and kept.bucket < $2::timestamptz
    and ($3::uuid is null or kept.org_id = $3::uuid)
    and not exists (
      select from computed
      where computed.bucket = kept.bucket
        and computed.org_id = kept.org_id
        and computed.model_id = kept.model_id
        and computed.latency_bin = kept.latency_bin)
)
insert into latency_hourly as kept (bucket, org_id, model_id, latency_bin, requests)
select bucket, org_id, model_id, latency_bin, requests
from computed
order by org_id, bucket, model_id, latency_bin
on conflict (org_id, bucket, model_id, latency_bin) do update set
  requests = excluded.requests
where kept.requests is distinct from excluded.requests
