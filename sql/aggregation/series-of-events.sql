-- Counts of one organisation per bucket and group, from its single events; the first row is the total, with slot null.
-- $1 organisation  $2 start  $3 end of the window  $4 starts of its buckets, ascending
-- $5 models, $6 clients, or null for all
-- group by: $7 model  $8 client  $9 status
-- groups to keep, best first, the others fold into one; null keeps all: $10 models  $11 clients  $12 statuses
-- $13 most rows, the total included
-- Columns: slot (index into $4 from 1), other (true for the folded groups), modelId, clientId, status ('' where not
-- grouped by or absent), the counts as text, latencyMaxMs. Ascending by slot.
-- Index: usage_events_by_org.
with grouped as (
  select
    width_bucket(occurred_at, $4::timestamptz[]) as slot,
    case when $7::boolean then model_id else '' end as model_id,
    case when $8::boolean then client_id else '' end as client_id,
    case when $9::boolean then status::text else '' end as status,
    count(*) as requests,
    count(*) filter (where status = 'success') as successes,
    count(*) filter (where status = 'error') as errors,
    count(*) filter (where status = 'timeout') as timeouts,
    count(*) filter (where status = 'throttled') as throttled,
    sum(input_tokens) as input_tokens,
    coalesce(sum(cached_input_tokens), 0) as cached_input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cost) as cost,
    sum(latency_ms) as latency_sum_ms,
    max(latency_ms) as latency_max_ms
  from usage_events
  where org_id = $1::uuid
    and occurred_at >= $2::timestamptz
    and occurred_at < $3::timestamptz
    and ($5::text[] is null or model_id = any($5::text[]))
    and ($6::text[] is null or client_id = any($6::text[]))
  group by 1, 2, 3, 4
),
folded as (
  select
    grouped.slot,
    kept.place,
    $10::text[] is not null and kept.place is null as other,
    case when $10::text[] is null or kept.place is not null then grouped.model_id else '' end as model_id,
    case when $10::text[] is null or kept.place is not null then grouped.client_id else '' end as client_id,
    case when $10::text[] is null or kept.place is not null then grouped.status else '' end as status,
    grouped.requests,
    grouped.successes,
    grouped.errors,
    grouped.timeouts,
    grouped.throttled,
    grouped.input_tokens,
    grouped.cached_input_tokens,
    grouped.output_tokens,
    grouped.cost,
    grouped.latency_sum_ms,
    grouped.latency_max_ms
  from grouped
  left join unnest($10::text[], $11::text[], $12::text[])
    with ordinality as kept (model_id, client_id, status, place)
    using (model_id, client_id, status)
)
select
  slot,
  other,
  model_id as "modelId",
  client_id as "clientId",
  status as status,
  coalesce(sum(requests), 0)::text as requests,
  coalesce(sum(successes), 0)::text as successes,
  coalesce(sum(errors), 0)::text as errors,
  coalesce(sum(timeouts), 0)::text as timeouts,
  coalesce(sum(throttled), 0)::text as throttled,
  coalesce(sum(input_tokens), 0)::text as "inputTokens",
  coalesce(sum(cached_input_tokens), 0)::text as "cachedInputTokens",
  coalesce(sum(output_tokens), 0)::text as "outputTokens",
  trim_scale(coalesce(sum(cost), 0))::text as cost,
  coalesce(sum(latency_sum_ms), 0)::text as "latencySumMs",
  max(latency_max_ms) as "latencyMaxMs"
from folded
group by grouping sets ((slot, other, place, model_id, client_id, status), ())
order by slot nulls first, other, place, model_id collate "C", client_id collate "C", status collate "C"
limit $13::integer
