-- The most frequent failures of an organisation; the first row is the total of all, with isTotal true.
-- $1 organisation  $2 start  $3 end of the window  $4 models, $5 clients, or null for all
-- group by: $6 model  $7 client
-- $8 most rows, the total included
-- Columns: isTotal, status, errorCode, modelId, clientId ('' where not grouped by or absent), requests as text,
-- firstSeenAt, lastSeenAt. Index: usage_events_by_org.
with failures as (
  select
    status,
    error_code,
    case when $6::boolean then model_id else '' end as model_id,
    case when $7::boolean then client_id else '' end as client_id,
    count(*) as requests,
    min(occurred_at) as first_seen_at,
    max(occurred_at) as last_seen_at
  from usage_events
  where org_id = $1::uuid
    and occurred_at >= $2::timestamptz
    and occurred_at < $3::timestamptz
    and status <> 'success'
    and ($4::text[] is null or model_id = any($4::text[]))
    and ($5::text[] is null or client_id = any($5::text[]))
  group by 1, 2, 3, 4
)
select
  grouping(status) = 1 as "isTotal",
  status,
  error_code as "errorCode",
  model_id as "modelId",
  client_id as "clientId",
  coalesce(sum(requests), 0)::text as requests,
  min(first_seen_at) as "firstSeenAt",
  max(last_seen_at) as "lastSeenAt"
from failures
group by grouping sets ((status, error_code, model_id, client_id), ())
order by
  grouping(status) desc,
  sum(requests) desc,
  status,
  error_code collate "C",
  model_id collate "C",
  client_id collate "C"
limit $8::integer
