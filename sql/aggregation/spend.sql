-- What one organisation spent in each bucket; buckets without usage are absent.
-- $1 organisation  $2 start  $3 end of the window  $4 starts of its buckets, ascending
-- Columns: index of the bucket from 0, cost as text.
-- Index: (org_id, bucket) of the rollup.
select
  width_bucket(usage.bucket, $4::timestamptz[]) - 1 as index,
  trim_scale(sum(usage.cost))::text as cost
from :relation as usage
where usage.org_id = $1::uuid
  and usage.bucket >= $2::timestamptz
  and usage.bucket < $3::timestamptz
group by 1
