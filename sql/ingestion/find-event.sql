-- The stored event of an identity, and whether late events of its hour wait for a refresh.
-- $1 organisation  $2 event  $3, $4 occurred within [from, to), or null where nothing is known of that
-- Columns: those of the event of a receipt. Index: usage_events_identity, in the partitions or chunks of the range.
select
  occurred_at as "occurredAt",
  received_at as "receivedAt",
  model_id as "modelId",
  nullif(client_id, '') as "clientId",
  actor_id as "actorId",
  status::text as status,
  error_code as "errorCode",
  latency_ms as "latencyMs",
  time_to_first_token_ms as "timeToFirstTokenMs",
  input_tokens as "inputTokens",
  cached_input_tokens as "cachedInputTokens",
  output_tokens as "outputTokens",
  trim_scale(cost)::text as cost,
  metadata,
  not exists (
    select
    from dirty_windows
    where dirty_windows.org_id = usage_events.org_id
      and dirty_windows.hour = date_trunc('hour', usage_events.occurred_at, 'UTC')
  ) as counted
from usage_events
where org_id = $1::uuid
  and event_id = $2::uuid
  and ($3::timestamptz is null or occurred_at >= $3::timestamptz)
  and ($4::timestamptz is null or occurred_at < $4::timestamptz)
limit 1
