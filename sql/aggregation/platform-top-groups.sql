-- The groups of all organisations that lead by one measure over a whole window, best first, from a rollup.
-- $1 organisations, or null for all  $2 start  $3 end of the window
-- $4 measure  $5 models, $6 clients, or null for all
-- group by: $7 org  $8 model  $9 client
-- $10 how many
-- Columns: orgId, modelId, clientId ('' where not grouped by or absent).
-- Index: the bucket's own of the rollup, or its partitions by bucket.
select "orgId", "modelId", "clientId"
from (
  select
    case when $7::boolean then org_id::text else '' end as "orgId",
    case when $8::boolean then model_id else '' end as "modelId",
    case when $9::boolean then client_id else '' end as "clientId",
    case $4::text
      when 'requests' then sum(requests)
      when 'successes' then sum(successes)
      when 'errors' then sum(errors)
      when 'timeouts' then sum(timeouts)
      when 'throttled' then sum(throttled)
      when 'inputTokens' then sum(input_tokens)
      when 'cachedInputTokens' then sum(cached_input_tokens)
      when 'outputTokens' then sum(output_tokens)
      when 'totalTokens' then sum(input_tokens) + sum(output_tokens)
      when 'cost' then sum(cost)
      when 'latencyMaxMs' then max(latency_max_ms)
    end as measure
  from :relation
  where ($1::uuid[] is null or org_id = any($1::uuid[]))
    and bucket >= $2::timestamptz
    and bucket < $3::timestamptz
    and ($5::text[] is null or model_id = any($5::text[]))
    and ($6::text[] is null or client_id = any($6::text[]))
  group by 1, 2, 3
) as ranked
order by measure desc, "orgId" collate "C", "modelId" collate "C", "clientId" collate "C"
limit $10::integer
