-- Every inference call that was counted, one row each.
create type usage_status as enum ('success', 'error', 'timeout', 'throttled');

create table usage_events (
  occurred_at timestamptz not null,
  -- Start of the transaction that stored it.
  received_at timestamptz not null default now(),
  org_id uuid not null,
  event_id uuid not null,
  latency_ms integer not null,
  input_tokens integer not null,
  output_tokens integer not null,
  cached_input_tokens integer,
  time_to_first_token_ms integer,
  latency_bin smallint not null,
  status usage_status not null,
  cost numeric not null,
  model_id text not null,
  -- Empty where the event named no client: rollups group by it.
  client_id text not null,
  actor_id text,
  error_code text,
  metadata jsonb
) partition by range (occurred_at);

-- Reading the whole stream again stays idempotent after the dedupe window because of this index.
create unique index usage_events_identity on usage_events (org_id, event_id, occurred_at);
create index usage_events_by_org on usage_events (org_id, occurred_at);
create index usage_events_by_actor on usage_events (org_id, actor_id, occurred_at) where actor_id is not null;
