-- The rollups in plain PostgreSQL. usage_15min and latency_hourly are kept in the insert's own transaction; the
-- coarser ones are materialised up to rollup_state.materialized_through.

-- Kept by the trigger below.
create table usage_15min (
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

create table latency_hourly (
  bucket timestamptz not null,
  org_id uuid not null,
  model_id text not null,
  latency_bin smallint not null,
  requests bigint not null,
  primary key (org_id, bucket, model_id, latency_bin)
) partition by range (bucket);

-- Written by sql/engine/postgres/materialize-*.sql only.
create table usage_hourly_materialized (
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

-- Written by sql/engine/postgres/materialize-*.sql only.
create table usage_daily_materialized (
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

-- Written by sql/engine/postgres/materialize-*.sql only.
create table latency_daily_materialized (
  bucket timestamptz not null,
  org_id uuid not null,
  model_id text not null,
  latency_bin smallint not null,
  requests bigint not null,
  primary key (org_id, bucket, model_id, latency_bin)
) partition by range (bucket);

-- Per organisation alone, for questions that tell neither models nor clients apart; those columns are empty.
-- Written by sql/engine/postgres/materialize-*.sql only.
create table org_usage_hourly_materialized (
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

-- Written by sql/engine/postgres/materialize-*.sql only.
create table org_usage_daily_materialized (
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

-- Per model over all organisations, for questions about the platform; org_id is the nil UUID.
-- Written by sql/engine/postgres/materialize-*.sql only.
create table model_latency_hourly_materialized (
  bucket timestamptz not null,
  org_id uuid not null,
  model_id text not null,
  latency_bin smallint not null,
  requests bigint not null,
  primary key (org_id, bucket, model_id, latency_bin)
) partition by range (bucket);

-- Written by sql/engine/postgres/materialize-*.sql only.
create table model_latency_daily_materialized (
  bucket timestamptz not null,
  org_id uuid not null,
  model_id text not null,
  latency_bin smallint not null,
  requests bigint not null,
  primary key (org_id, bucket, model_id, latency_bin)
) partition by range (bucket);

-- One aggregation per insert statement, not per row. Keys are sorted so that two writers cannot deadlock.
create function roll_up_usage_events() returns trigger
language plpgsql
as $$
begin
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
    date_bin(interval '15 minutes', occurred_at, timestamptz '2000-01-01 00:00:00+00') as bucket,
    org_id,
    model_id,
    client_id,
    count(*),
    count(*) filter (where status = 'success'),
    count(*) filter (where status = 'error'),
    count(*) filter (where status = 'timeout'),
    count(*) filter (where status = 'throttled'),
    sum(input_tokens),
    coalesce(sum(cached_input_tokens), 0),
    sum(output_tokens),
    sum(cost),
    sum(latency_ms),
    max(latency_ms)
  from inserted
  group by 1, 2, 3, 4
  order by 2, 1, 3, 4
  on conflict (org_id, bucket, model_id, client_id) do update set
    requests = kept.requests + excluded.requests,
    successes = kept.successes + excluded.successes,
    errors = kept.errors + excluded.errors,
    timeouts = kept.timeouts + excluded.timeouts,
    throttled = kept.throttled + excluded.throttled,
    input_tokens = kept.input_tokens + excluded.input_tokens,
    cached_input_tokens = kept.cached_input_tokens + excluded.cached_input_tokens,
    output_tokens = kept.output_tokens + excluded.output_tokens,
    cost = kept.cost + excluded.cost,
    latency_sum_ms = kept.latency_sum_ms + excluded.latency_sum_ms,
    latency_max_ms = greatest(kept.latency_max_ms, excluded.latency_max_ms);

  insert into latency_hourly as kept (bucket, org_id, model_id, latency_bin, requests)
  select date_trunc('hour', occurred_at, 'UTC'), org_id, model_id, latency_bin, count(*)
  from inserted
  group by 1, 2, 3, 4
  order by 2, 1, 3, 4
  on conflict (org_id, bucket, model_id, latency_bin) do update set
    requests = kept.requests + excluded.requests;

  return null;
end
$$;

create trigger roll_up_usage_events
after insert on usage_events
referencing new table as inserted
for each statement execute function roll_up_usage_events();
