-- Materialises latency bins by model and day over all organisations from the same by hour, which is refreshed first.
-- $1, $2: half-open range on bucket boundaries. Rows that are right already are not written again; rows without a
-- source any more go.
with computed as materialized (
  select
    date_trunc('day', bucket, 'UTC') as bucket,
    '00000000-0000-0000-0000-000000000000'::uuid as org_id,
    model_id,
    latency_bin,
    sum(requests)::bigint as requests
  from model_latency_hourly_materialized
  where bucket >= $1::timestamptz and bucket < $2::timestamptz
  group by 1, 3, 4
), gone as (
  delete from model_latency_daily_materialized as kept
  where kept.bucket >= $1::timestamptz and kept.bucket < $2::timestamptz
    and not exists (
      select from computed
      where computed.bucket = kept.bucket
        and computed.org_id = kept.org_id
        and computed.model_id = kept.model_id
        and computed.latency_bin = kept.latency_bin)
)
insert into model_latency_daily_materialized as kept (bucket, org_id, model_id, latency_bin, requests)
select bucket, org_id, model_id, latency_bin, requests
from computed
order by org_id, bucket, model_id, latency_bin
on conflict (org_id, bucket, model_id, latency_bin) do update set
  requests = excluded.requests
where kept.requests is distinct from excluded.requests
