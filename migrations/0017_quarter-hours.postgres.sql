-- Usage of an organisation alone by the quarter of an hour: questions in a time zone that is not of whole hours were
-- added up from every model and client. Written by sql/engine/postgres/materialize-*.sql only.
create table org_usage_15min_materialized (
  bucket timestamptz not null,
  org_id uuid not null,
  model_id text not null,
  client_id text not null,
  requests bigint not null,
  successes bigint not null,
  errors bigint not null,
  timeouts bigint not null,
  throttled bigint not null,
  input_tokens bigint not null,
  cached_input_tokens bigint not null,
  output_tokens bigint not null,
  cost numeric not null,
  latency_sum_ms bigint not null,
  latency_max_ms integer not null,
  primary key (org_id, bucket, model_id, client_id)
) partition by range (bucket);

-- Filled with what usage_15min holds already, so that the view over it is whole from the first moment.
select ensure_partitions('org_usage_15min_materialized', 'day', min(bucket), max(bucket) + interval '1 day')
from usage_15min;
insert into org_usage_15min_materialized (
  bucket, org_id, model_id, client_id, requests, successes, errors, timeouts, throttled, input_tokens,
  cached_input_tokens, output_tokens, cost, latency_sum_ms, latency_max_ms
)
select bucket, org_id, '', '', sum(requests), sum(successes), sum(errors), sum(timeouts), sum(throttled),
  sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(cost), sum(latency_sum_ms), max(latency_max_ms)
from usage_15min
where bucket < (select materialized_through from rollup_state)
group by bucket, org_id;
