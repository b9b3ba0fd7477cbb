-- Usage of an organisation as charges: one for the input and one for the output tokens of a bucket, model and client.
-- Events have one cost for both kinds. It is divided by the number of tokens; the output tokens bear what is left after
-- cutting off at the tenth digit, so that the charges add up to the cost exactly. Without tokens the input bears it all.
-- $1 organisation  $2 start  $3 end  $4 starts of the buckets, ascending  $5 models or null  $6 clients or null
-- Columns: place of the bucket from 0, then as named. Requests and cached tokens are told once, with the input.
-- Index: usage_*_by_org.
with usage as (
  select
    width_bucket(bucket, $4::timestamptz[]) - 1 as bucket_index,
    model_id,
    client_id,
    sum(requests) as requests,
    sum(input_tokens) as input_tokens,
    sum(cached_input_tokens) as cached_input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cost) as cost
  from :relation
  where org_id = $1::uuid
    and bucket >= $2::timestamptz
    and bucket < $3::timestamptz
    and ($5::text[] is null or model_id = any ($5::text[]))
    and ($6::text[] is null or client_id = any ($6::text[]))
  group by 1, 2, 3
),
divided as (
  select
    *,
    case
      when input_tokens + output_tokens = 0 then cost
      else trunc(cost * input_tokens / (input_tokens + output_tokens), 10)
    end as input_cost
  from usage
)
select
  divided.bucket_index,
  divided.model_id,
  nullif(divided.client_id, '') as client_id,
  charge.kind,
  trim_scale(charge.tokens) as tokens,
  trim_scale(charge.tokens / 1000000) as million_tokens,
  trim_scale(charge.cost) as cost,
  charge.requests,
  charge.cached_input_tokens
from divided
cross join lateral (
  values
    (1, 'input', divided.input_tokens, divided.input_cost, divided.requests, divided.cached_input_tokens),
    (2, 'output', divided.output_tokens, divided.cost - divided.input_cost, null, null)
) as charge (position, kind, tokens, cost, requests, cached_input_tokens)
order by divided.bucket_index, divided.model_id collate "C", divided.client_id collate "C", charge.position
