-- Compares each rollup of usage with a recount of the events.
-- $1 organisation, or null for all  $2 start  $3 end, both on whole hours  $4 differences to list per relation
-- Only buckets that lie wholly within [start, end) are compared. A bucket that waits for the refresh of late events is
-- counted as awaiting and is no difference.
-- Columns: relation, sums that are expected (expected…) and found, differing, awaiting (buckets by organisation, model
-- and client), differences (JSON text: organisation, bucket, model, client, and the measures as expected and as found;
-- null where there should be, or is, no row).
-- Index: usage_events_by_org, (org_id, bucket) of the rollups.
with quarters as materialized (
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
  where ($1::uuid is null or org_id = $1::uuid)
    and occurred_at >= $2::timestamptz
    and occurred_at < $3::timestamptz
  group by 1, 2, 3, 4
), base as (
  select
    'usage_15min' as relation,
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
  from quarters
  union all
  select
    'org_usage_15min' as relation,
    bucket,
    org_id,
    '' as model_id,
    '' as client_id,
    sum(requests) as requests,
    sum(successes) as successes,
    sum(errors) as errors,
    sum(timeouts) as timeouts,
    sum(throttled) as throttled,
    sum(input_tokens) as input_tokens,
    sum(cached_input_tokens) as cached_input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cost) as cost,
    sum(latency_sum_ms) as latency_sum_ms,
    max(latency_max_ms) as latency_max_ms
  from quarters
  group by 2, 3
  union all
  select
    'usage_hourly' as relation,
    date_trunc('hour', bucket, 'UTC') as bucket,
    org_id,
    model_id,
    client_id,
    sum(requests) as requests,
    sum(successes) as successes,
    sum(errors) as errors,
    sum(timeouts) as timeouts,
    sum(throttled) as throttled,
    sum(input_tokens) as input_tokens,
    sum(cached_input_tokens) as cached_input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cost) as cost,
    sum(latency_sum_ms) as latency_sum_ms,
    max(latency_max_ms) as latency_max_ms
  from quarters
  group by 2, 3, 4, 5
  union all
  select
    'usage_daily' as relation,
    date_trunc('day', bucket, 'UTC') as bucket,
    org_id,
    model_id,
    client_id,
    sum(requests) as requests,
    sum(successes) as successes,
    sum(errors) as errors,
    sum(timeouts) as timeouts,
    sum(throttled) as throttled,
    sum(input_tokens) as input_tokens,
    sum(cached_input_tokens) as cached_input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cost) as cost,
    sum(latency_sum_ms) as latency_sum_ms,
    max(latency_max_ms) as latency_max_ms
  from quarters
  where date_trunc('day', bucket, 'UTC') >= $2::timestamptz
    and date_trunc('day', bucket, 'UTC') <= $3::timestamptz - interval '1 day'
  group by 2, 3, 4, 5
), rolled_up as (
  select
    'usage_15min' as relation,
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
  where ($1::uuid is null or org_id = $1::uuid)
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '15 minutes'
  union all
  select
    'org_usage_15min' as relation,
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
  from org_usage_15min
  where ($1::uuid is null or org_id = $1::uuid)
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '15 minutes'
  union all
  select
    'usage_hourly' as relation,
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
  from usage_hourly
  where ($1::uuid is null or org_id = $1::uuid)
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 hour'
  union all
  select
    'usage_daily' as relation,
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
  from usage_daily
  where ($1::uuid is null or org_id = $1::uuid)
    and bucket >= $2::timestamptz
    and bucket <= $3::timestamptz - interval '1 day'
), compared as (
  select
    coalesce(base.relation, rolled_up.relation) as relation,
    coalesce(base.bucket, rolled_up.bucket) as bucket,
    coalesce(base.org_id, rolled_up.org_id) as org_id,
    coalesce(base.model_id, rolled_up.model_id) as model_id,
    coalesce(base.client_id, rolled_up.client_id) as client_id,
    base as expected,
    rolled_up as found,
    (base.requests, base.successes, base.errors, base.timeouts, base.throttled, base.input_tokens,
      base.cached_input_tokens, base.output_tokens, base.cost, base.latency_sum_ms, base.latency_max_ms)
      is distinct from
    (rolled_up.requests, rolled_up.successes, rolled_up.errors, rolled_up.timeouts, rolled_up.throttled, rolled_up.input_tokens,
      rolled_up.cached_input_tokens, rolled_up.output_tokens, rolled_up.cost, rolled_up.latency_sum_ms, rolled_up.latency_max_ms) as differs
  from base
  full join rolled_up using (relation, bucket, org_id, model_id, client_id)
), judged as (
  select
    compared.*,
    differs and exists (
      select from dirty_windows
      where dirty_windows.org_id = compared.org_id
        and dirty_windows.hour > compared.bucket - interval '1 hour'
        and dirty_windows.hour < compared.bucket + case compared.relation
          when 'usage_daily' then interval '1 day'
          when 'usage_hourly' then interval '1 hour'
          else interval '15 minutes' end
    ) as awaits_refresh
  from compared
), numbered as (
  select
    judged.*,
    row_number() over (
      partition by relation, differs and not awaits_refresh order by bucket, org_id, model_id, client_id
    ) as place
  from judged
)
select
  relation,
  coalesce(sum((expected).requests), 0)::text as "expectedRequests",
  coalesce(sum((expected).input_tokens), 0)::text as "expectedInputTokens",
  coalesce(sum((expected).output_tokens), 0)::text as "expectedOutputTokens",
  trim_scale(coalesce(sum((expected).cost), 0))::text as "expectedCost",
  coalesce(sum((found).requests), 0)::text as requests,
  coalesce(sum((found).input_tokens), 0)::text as "inputTokens",
  coalesce(sum((found).output_tokens), 0)::text as "outputTokens",
  trim_scale(coalesce(sum((found).cost), 0))::text as cost,
  count(*) filter (where differs and not awaits_refresh)::integer as differing,
  count(*) filter (where awaits_refresh)::integer as awaiting,
  coalesce(
    jsonb_agg(
      jsonb_build_object(
        'orgId', org_id,
        'bucket', to_char(bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'modelId', model_id,
        'clientId', nullif(client_id, ''),
        'expected', (
          select jsonb_object_agg(measure, amount)
          from jsonb_each_text(to_jsonb(expected) - '{relation,bucket,org_id,model_id,client_id}'::text[])
            as of_row (measure, amount)),
        'found', (
          select jsonb_object_agg(measure, amount)
          from jsonb_each_text(to_jsonb(found) - '{relation,bucket,org_id,model_id,client_id}'::text[])
            as of_row (measure, amount)))
      order by place)
    filter (where differs and not awaits_refresh and place <= $4::integer),
    '[]')::text as differences
from numbered
group by relation
order by relation
