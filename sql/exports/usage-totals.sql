-- The control totals of what usage-rows.sql and focus-charges.sql answer in the same snapshot.
-- $1 organisation  $2 start  $3 end  $4 models or null  $5 clients or null
-- Columns: as named, exact, 0 without usage.
-- Index: usage_*_by_org.
select
  coalesce(sum(requests), 0)::text as "requests",
  coalesce(sum(input_tokens), 0)::text as "inputTokens",
  coalesce(sum(cached_input_tokens), 0)::text as "cachedInputTokens",
  coalesce(sum(output_tokens), 0)::text as "outputTokens",
  trim_scale(coalesce(sum(cost), 0))::text as "cost"
from :relation
where org_id = $1::uuid
  and bucket >= $2::timestamptz
  and bucket < $3::timestamptz
  and ($4::text[] is null or model_id = any ($4::text[]))
  and ($5::text[] is null or client_id = any ($5::text[]))
