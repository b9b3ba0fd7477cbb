-- The models that an organisation used, with what was used of each.
-- $1 organisation  $2 start  $3 end, both at midnight UTC  $4 clients, or null for all
-- $5 the model after which the page begins, or null  $6 most rows
-- Columns: modelId, requests, costExact as text, firstUsedOn and lastUsedOn (days of UTC). By modelId.
-- Index: (org_id, bucket) of usage_daily.
select
  model_id as "modelId",
  sum(requests)::text as requests,
  trim_scale(sum(cost))::text as "costExact",
  to_char(min(bucket) at time zone 'UTC', 'YYYY-MM-DD') as "firstUsedOn",
  to_char(max(bucket) at time zone 'UTC', 'YYYY-MM-DD') as "lastUsedOn"
from usage_daily
where org_id = $1::uuid
  and bucket >= $2::timestamptz
  and bucket < $3::timestamptz
  and ($4::text[] is null or client_id = any($4::text[]))
  and ($5::text is null or model_id collate "C" > $5::text)
group by model_id
order by model_id collate "C"
limit $6::integer
