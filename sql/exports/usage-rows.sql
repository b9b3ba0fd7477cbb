-- Usage of an organisation by bucket, model and client, in the order of the file.
-- $1 organisation  $2 start  $3 end  $4 starts of the buckets, ascending  $5 models or null  $6 clients or null
-- Columns: place of the bucket from 0, then as named; counts and cost are exact.
-- Index: usage_*_by_org.
select
  width_bucket(bucket, $4::timestamptz[]) - 1 as bucket_index,
  model_id,
  nullif(client_id, '') as client_id,
  sum(requests) as requests,
  sum(successes) as successes,
  sum(errors) as errors,
  sum(timeouts) as timeouts,
  sum(throttled) as throttled,
  sum(input_tokens) as input_tokens,
  sum(cached_input_tokens) as cached_input_tokens,
  sum(output_tokens) as output_tokens,
  trim_scale(sum(cost)) as cost,
  sum(latency_sum_ms) as latency_sum_ms,
  max(latency_max_ms) as latency_max_ms
from :relation
where org_id = $1::uuid
  and bucket >= $2::timestamptz
  and bucket < $3::timestamptz
  and ($5::text[] is null or model_id = any ($5::text[]))
  and ($6::text[] is null or client_id = any ($6::text[]))
group by bucket_index, model_id, client_id
order by bucket_index, model_id collate "C", client_id collate "C"
