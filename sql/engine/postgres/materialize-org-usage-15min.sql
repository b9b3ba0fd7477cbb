-- Materialises usage by organisation and quarter of an hour from usage_15min.
-- $1, $2: half-open range on bucket boundaries. Rows that are right already are not written again; rows without a
-- source any more go.
with computed as materialized (
  select
    bucket,
    org_id,
    '' as model_id,
    '' as client_id,
    sum(requests)::bigint as requests,
    sum(successes)::bigint as successes,
    sum(errors)::bigint as errors,
    sum(timeouts)::bigint as timeouts,
    sum(throttled)::bigint as throttled,
    sum(input_tokens)::bigint as input_tokens,
    sum(cached_input_tokens)::bigint as cached_input_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(cost) as cost,
    sum(latency_sum_ms)::bigint as latency_sum_ms,
    max(latency_max_ms) as latency_max_ms
  from usage_15min
  where bucket >= $1::timestamptz and bucket < $2::timestamptz
  group by 1, 2
), gone as (
  delete from org_usage_15min_materialized as kept
  where kept.bucket >= $1::timestamptz and kept.bucket < $2::timestamptz
    and not exists (
      select from computed
      where computed.bucket = kept.bucket
        and computed.org_id = kept.org_id
        and computed.model_id = kept.model_id
        and computed.client_id = kept.client_id)
)
insert into org_usage_15min_materialized as kept (
  bucket,
  org_id,
  model_id,
  client_id,
  requests,
  successes,
  errors,
  timeouts,
  throttled,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost,
  latency_sum_ms,
  latency_max_ms
)
select
  bucket,
  org_id,
  model_id,
  client_id,
  requests,
  successes,
  errors,
  timeouts,
  throttled,
  input_tokens,
  cached_input_tokens,
  output_tokens,
  cost,
  latency_sum_ms,
  latency_max_ms
from computed
order by org_id, bucket, model_id, client_id
on conflict (org_id, bucket, model_id, client_id) do update set
  requests = excluded.requests,
  successes = excluded.successes,
  errors = excluded.errors,
  timeouts = excluded.timeouts,
  throttled = excluded.throttled,
  input_tokens = excluded.input_tokens,
  cached_input_tokens = excluded.cached_input_tokens,
  output_tokens = excluded.output_tokens,
  cost = excluded.cost,
  latency_sum_ms = excluded.latency_sum_ms,
  latency_max_ms = excluded.latency_max_ms
where (
  kept.requests,
  kept.successes,
  kept.errors,
  kept.timeouts,
  kept.throttled,
  kept.input_tokens,
  kept.cached_input_tokens,
  kept.output_tokens,
  kept.cost,
  kept.latency_sum_ms,
  kept.latency_max_ms
) is distinct from (
  excluded.requests,
  excluded.successes,
  excluded.errors,
  excluded.timeouts,
  excluded.throttled,
  excluded.input_tokens,
  excluded.cached_input_tokens,
  excluded.output_tokens,
  excluded.cost,
  excluded.latency_sum_ms,
  excluded.latency_max_ms
)
