-- How many requests of one organisation took how long, per bucket and group, from its single events.
-- $1 organisation  $2 start  $3 end of the window  $4 starts of its buckets, ascending
-- $5 models, $6 clients, or null for all
-- group by: $7 model  $8 client  $9 status
-- groups to keep, the others fold into one; null keeps all: $10 models  $11 clients  $12 statuses
-- Columns: slot, other, modelId, clientId, status as in series; packed (a JSON array of requests * 512 + latency bin, in
-- no order; of the group "other" a bin may come several times).
-- Index: usage_events_by_org.
with binned as (
  select
    width_bucket(occurred_at, $4::timestamptz[]) as slot,
    case when $7::boolean then model_id else '' end as model_id,
    case when $8::boolean then client_id else '' end as client_id,
    case when $9::boolean then status::text else '' end as status,
    latency_bin,
    count(*) as requests
  from usage_events
  where org_id = $1::uuid
    and occurred_at >= $2::timestamptz
    and occurred_at < $3::timestamptz
    and ($5::text[] is null or model_id = any($5::text[]))
    and ($6::text[] is null or client_id = any($6::text[]))
  group by 1, 2, 3, 4, 5
)
select
  binned.slot,
  $10::text[] is not null and kept.place is null as other,
  case when $10::text[] is null or kept.place is not null then binned.model_id else '' end as "modelId",
  case when $10::text[] is null or kept.place is not null then binned.client_id else '' end as "clientId",
  case when $10::text[] is null or kept.place is not null then binned.status else '' end as status,
  array_to_json(array_agg(binned.requests * 512 + binned.latency_bin)) as packed
from binned
left join unnest($10::text[], $11::text[], $12::text[]) with ordinality as kept (model_id, client_id, status, place)
  using (model_id, client_id, status)
group by 1, 2, 3, 4, 5
