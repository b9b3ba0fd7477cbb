-- The control totals of what event-rows.sql answers in the same snapshot.
-- $1 organisation  $2 start  $3 end  $4 models or null  $5 clients or null  $6 statuses or null
-- Columns: as named, exact, 0 without events.
-- Index: usage_events_by_org.
select
  count(*)::text as "requests",
  coalesce(sum(input_tokens), 0)::text as "inputTokens",
  coalesce(sum(cached_input_tokens), 0)::text as "cachedInputTokens",
  coalesce(sum(output_tokens), 0)::text as "outputTokens",
  trim_scale(coalesce(sum(cost), 0))::text as "cost"
from usage_events
where org_id = $1::uuid
  and occurred_at >= $2::timestamptz
  and occurred_at < $3::timestamptz
  and ($4::text[] is null or model_id = any ($4::text[]))
  and ($5::text[] is null or client_id = any ($5::text[]))
  and ($6::text[] is null or status = any ($6::text[]::usage_status[]))
