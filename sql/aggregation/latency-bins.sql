-- How many requests of one organisation took how long, per bucket and group, from a sketch; rows with slot null are
-- of the whole window.
-- $1 organisation  $2 start  $3 end of the window  $4 starts of its buckets, ascending
-- $5 models, or null for all
-- group by: $6 model
-- groups to keep, the others fold into one; null keeps all: $7 models
-- Columns: slot, other, modelId as in series; bins (ascending) and counts as JSON arrays of the same length.
-- Index: (org_id, bucket) of the sketch.
with binned as (
  select
    width_bucket(bucket, $4::timestamptz[]) as slot,
    case when $6::boolean then model_id else '' end as model_id,
    latency_bin,
    sum(requests) as requests
  from :relation
  where org_id = $1::uuid
    and bucket >= $2::timestamptz
    and bucket < $3::timestamptz
    and ($5::text[] is null or model_id = any($5::text[]))
  group by 1, 2, 3
),
folded as (
  select
    binned.slot,
    $7::text[] is not null and kept.place is null as other,
    case when $7::text[] is null or kept.place is not null then binned.model_id else '' end as model_id,
    binned.latency_bin,
    sum(binned.requests) as requests
  from binned
  left join unnest($7::text[])
    with ordinality as kept (model_id, place)
    using (model_id)
  group by grouping sets ((1, 2, 3, binned.latency_bin), (binned.latency_bin))
)
select
  slot,
  other,
  model_id as "modelId",
  array_to_json(array_agg(latency_bin order by latency_bin)) as bins,
  array_to_json(array_agg(requests order by latency_bin)) as counts
from folded
group by slot, other, model_id
