-- The groups of one organisation that lead by one measure over a whole window, best first, from its single events.
-- $1 organisation  $2 start  $3 end of the window
-- $4 measure  $5 models, $6 clients, or null for all
-- group by: $7 model  $8 client  $9 status
-- $10 how many
-- Columns: modelId, clientId, status ('' where not grouped by or absent).
-- Index: usage_events_by_org.
select "modelId", "clientId", status
from (
  select
    case when $7::boolean then model_id else '' end as "modelId",
    case when $8::boolean then client_id else '' end as "clientId",
    case when $9::boolean then status::text else '' end as status,
    case $4::text
      when 'requests' then count(*)
      when 'successes' then count(*) filter (where status = 'success')
      when 'errors' then count(*) filter (where status = 'error')
      when 'timeouts' then count(*) filter (where status = 'timeout')
      when 'throttled' then count(*) filter (where status = 'throttled')
      when 'inputTokens' then sum(input_tokens)
      when 'cachedInputTokens' then coalesce(sum(cached_input_tokens), 0)
      when 'outputTokens' then sum(output_tokens)
      when 'totalTokens' then sum(input_tokens) + sum(output_tokens)
      when 'cost' then sum(cost)
      when 'latencyMaxMs' then max(latency_ms)
    end as measure
  from usage_events
  where org_id = $1::uuid
    and occurred_at >= $2::timestamptz
    and occurred_at < $3::timestamptz
    and ($5::text[] is null or model_id = any($5::text[]))
    and ($6::text[] is null or client_id = any($6::text[]))
  group by 1, 2, 3
) as ranked
order by measure desc, "modelId" collate "C", "clientId" collate "C", status collate "C"
limit $10::integer
