-- How many requests of all organisations took how long, per bucket and group, from a sketch. Only behind a permission
-- for the platform.
-- $1 organisations, or null for all  $2 start  $3 end of the window  $4 starts of its buckets, ascending
-- $5 models, or null for all
-- group by: $6 org  $7 model
-- groups to keep, the others fold into one; null keeps all: $8 orgs  $9 models
-- Columns: slot, other, orgId, modelId as in series; packed (a JSON array of requests * 512 + latency bin, in no order;
-- of the group "other" a bin may come several times).
-- Index: the bucket's own of the sketch, or its partitions by bucket.
with counted as (
  select
    bucket,
    case when $6::boolean then org_id::text else '' end as org_id,
    case when $7::boolean then model_id else '' end as model_id,
    latency_bin,
    sum(requests)::bigint as requests
  from :relation
  where ($1::uuid[] is null or org_id = any($1::uuid[]))
    and bucket >= $2::timestamptz
    and bucket < $3::timestamptz
    and ($5::text[] is null or model_id = any($5::text[]))
  group by 1, 2, 3, 4
),
binned as (
  select
    width_bucket(bucket, $4::timestamptz[]) as slot,
    org_id,
    model_id,
    latency_bin,
    sum(requests)::bigint as requests
  from counted
  group by 1, 2, 3, 4
)
select
  binned.slot,
  $8::text[] is not null and kept.place is null as other,
  case when $8::text[] is null or kept.place is not null then binned.org_id else '' end as "orgId",
  case when $8::text[] is null or kept.place is not null then binned.model_id else '' end as "modelId",
  array_to_json(array_agg(binned.requests * 512 + binned.latency_bin)) as packed
from binned
left join unnest($8::text[], $9::text[]) with ordinality as kept (org_id, model_id, place)
  using (org_id, model_id)
group by 1, 2, 3, 4
