-- Whether usage_15min or latency_hourly is not what the events say, as one moment has them: batches write all three in
-- one transaction, so there is nothing to wait for.
-- $1, $2: half-open range on bucket boundaries  $3 organisation, or null for all
-- Column: differ.
with usage_computed as materialized (
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
), usage_kept as materialized (
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
  from usage_15min
  where bucket >= $1::timestamptz and bucket < $2::timestamptz
    and ($3::uuid is null or org_id = $3::uuid)
), latency_computed as materialized (
  select date_trunc('hour', occurred_at, 'UTC') as bucket, org_id, model_id, latency_bin, count(*) as requests
  from usage_events
  where occurred_at >= $1::timestamptz and occurred_at < $2::timestamptz
    and ($3::uuid is null or org_id = $3::uuid)
  group by 1, 2, 3, 4
), latency_kept as materialized (
  select bucket, org_id, model_id, latency_bin, requests
  from latency_hourly
  where bucket >= $1::timestamptz and bucket < $2::timestamptz
    and ($3::uuid is null or org_id = $3::uuid)
)
select
  exists (table usage_computed except table usage_kept)
  or exists (table usage_kept except table usage_computed)
  or exists (table latency_computed except table latency_kept)
  or exists (table latency_kept except table latency_computed) as differ
