-- Single events of an organisation, in the order in which they occurred. Times in UTC, as the session is.
-- $1 organisation  $2 start  $3 end  $4 models or null  $5 clients or null  $6 statuses or null
-- Columns: as named.
-- Index: usage_events_by_org.
select
  to_char(occurred_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as occurred_at,
  to_char(received_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as received_at,
  event_id,
  model_id,
  nullif(client_id, '') as client_id,
  actor_id,
  status,
  error_code,
  latency_ms,
  time_to_first_token_ms,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  trim_scale(cost) as cost,
  metadata
from usage_events
where org_id = $1::uuid
  and occurred_at >= $2::timestamptz
  and occurred_at < $3::timestamptz
  and ($4::text[] is null or model_id = any ($4::text[]))
  and ($5::text[] is null or client_id = any ($5::text[]))
  and ($6::text[] is null or status = any ($6::text[]::usage_status[]))
order by usage_events.occurred_at, usage_events.event_id
