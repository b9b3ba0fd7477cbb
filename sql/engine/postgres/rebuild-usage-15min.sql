-- Makes usage_15min what the events say.
-- $1, $2: half-open range on bucket boundaries  $3 organisation, or null for all
-- Nothing may be added to the range meanwhile: hold rollup_state first. Rows that are right are not written.
with computed as materialized (
  select
    date_bin(interval '15 minutes', occurred_at, timestamptz '2000-01-01 00:00:00+00') as bucket,
    org_id,
    model_id,
    client_id,
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
  where occurred_at >= $1::timestamptz and occurred_at < $2::timestamptz
    and ($3::uuid is null or org_id = $3::uuid)
  group by 1, 2, 3, 4
), gone as (
  delete from usage_15min as kept
  where kept.bucket >= $1::timestamptz and kept.bucket < $2::timestamptz
    and ($3::uuid is null or kept.org_id = $3::uuid)
    and not exists (
      select from computed
      where computed.bucket = kept.bucket
        and computed.org_id = kept.org_id
        and computed.model_id = kept.model_id
        and computed.client_id = kept.client_id)
)
insert into usage_15min as kept (
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
