-- The organisations that used anything, with what each used. Only behind a permission for the platform.
-- $1 start  $2 end, both at midnight UTC  $3 the organisation after which the page begins, or null  $4 most rows
-- Columns: orgId, requests, costExact as text, firstUsedOn and lastUsedOn (days of UTC). By orgId.
-- Index: the bucket's own of org_usage_daily, or its partitions by bucket.
select
  org_id as "orgId",
  sum(requests)::text as requests,
  trim_scale(sum(cost))::text as "costExact",
  to_char(min(bucket) at time zone 'UTC', 'YYYY-MM-DD') as "firstUsedOn",
  to_char(max(bucket) at time zone 'UTC', 'YYYY-MM-DD') as "lastUsedOn"
from org_usage_daily
where bucket >= $1::timestamptz
  and bucket < $2::timestamptz
  and ($3::uuid is null or org_id > $3::uuid)
group by org_id
order by org_id
limit $4::integer
