-- The clients of an organisation that named themselves, with what each used.
-- $1 organisation  $2 start  $3 end, both at midnight UTC  $4 models, or null for all
-- $5 the client after which the page begins, or null  $6 most rows
-- Columns: clientId, requests, costExact as text, firstUsedOn and lastUsedOn (days of UTC). By clientId.
-- Index: (org_id, bucket) of usage_daily.
select
  client_id as "clientId",
  sum(requests)::text as requests,
  trim_scale(sum(cost))::text as "costExact",
  to_char(min(bucket) at time zone 'UTC', 'YYYY-MM-DD') as "firstUsedOn",
  to_char(max(bucket) at time zone 'UTC', 'YYYY-MM-DD') as "lastUsedOn"
from usage_daily
where org_id = $1::uuid
  and bucket >= $2::timestamptz
  and bucket < $3::timestamptz
  and client_id <> ''
  and ($4::text[] is null or model_id = any($4::text[]))
  and ($5::text is null or client_id collate "C" > $5::text)
group by client_id
order by client_id collate "C"
limit $6::integer
