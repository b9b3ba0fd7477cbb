-- What the ingestion transaction writes besides the events themselves.

-- One row per stream partition. The row is locked first in every batch, so batches of a partition are serial.
create table ingest_cursors (
  partition smallint primary key,
  -- Grows by one at each change of owner: a batch of an older epoch updates nothing and is rolled back.
  epoch bigint not null default 0,
  owner text,
  lease_renewed_at timestamptz,
  -- Everything below is committed. Streams number messages from 0.
  next_offset bigint not null default 0,
  -- SHA-256 of the message at next_offset - 1: tells a recreated stream from the one the cursor belongs to.
  last_message_hash bytea,
  -- Counts the streams that have stood behind this cursor.
  incarnation integer not null default 1,
  -- Messages known to lie in the stream behind the cursor; measured by the owner.
  backlog bigint not null default 0,
  -- All events of the partition that occurred before this are committed, unless they were sent late.
  data_through timestamptz,
  committed_at timestamptz
);

-- Identity of every event of the dedupe window, by day of arrival so that old days are dropped, not deleted.
create table usage_event_keys (
  org_id uuid not null,
  event_id uuid not null,
  -- The first 16 bytes of the SHA-256 of the event as stored; type uuid because it is 16 bytes without a header.
  payload_hash uuid not null,
  arrived_on timestamptz not null,
  primary key (org_id, event_id, arrived_on)
) partition by range (arrived_on);

-- One row per committed batch: received = stored + duplicates + conflicts + quarantined, always.
create table ingest_batches (
  batch_id bigint generated always as identity primary key,
  partition smallint not null,
  epoch bigint not null,
  source text not null check (source in ('stream', 'replay', 'direct')),
  first_offset bigint,
  last_offset bigint,
  messages integer not null,
  received integer not null,
  stored integer not null,
  duplicates integer not null,
  conflicts integer not null,
  quarantined integer not null,
  unknown_fields integer not null,
  late integer not null,
  committed_at timestamptz not null default now(),
  check (received = stored + duplicates + conflicts + quarantined)
);
create index ingest_batches_by_time on ingest_batches using brin (committed_at);

-- The same counts by organisation and hour of occurrence: what a certificate compares with the stored rows. A part of
-- the stream that is read again counts only what was not there before.
create table ingest_ledger (
  org_id uuid not null,
  hour timestamptz not null,
  received bigint not null,
  stored bigint not null,
  duplicates bigint not null,
  conflicts bigint not null,
  quarantined bigint not null,
  primary key (org_id, hour),
  check (received = stored + duplicates + conflicts + quarantined)
) with (fillfactor = 70);

-- What could not be stored, with the reason. Reading a stream again finds its rows here and adds none.
create table quarantined_events (
  quarantine_id uuid primary key default gen_random_uuid(),
  partition smallint not null,
  incarnation integer not null,
  -- Null when the event came over HTTP without a broker.
  stream_offset bigint,
  -- Place of the event in its message.
  position integer not null,
  reason text not null check (reason in (
    'not_json', 'schema_violation', 'unknown_org', 'in_future', 'too_late', 'oversized', 'conflict', 'unstorable')),
  detail text not null,
  org_id uuid,
  event_id uuid,
  occurred_at timestamptz,
  -- At most 16 KiB of what arrived; payload_bytes is its whole size.
  payload bytea not null,
  payload_bytes integer not null,
  payload_hash uuid,
  -- Of a conflict: the hash of the event that was stored first.
  stored_payload_hash uuid,
  state text not null default 'open' check (state in ('open', 'replayed', 'dismissed')),
  quarantined_at timestamptz not null default now(),
  unique (partition, incarnation, stream_offset, position)
);
create index quarantined_events_by_org on quarantined_events (org_id, quarantined_at desc);

-- Offsets that no longer existed when the cursor asked for them. Never silent: an operator acknowledges them.
create table data_gaps (
  gap_id uuid primary key default gen_random_uuid(),
  partition smallint not null,
  incarnation integer not null,
  kind text not null check (kind in ('truncated', 'recreated')),
  -- [from_offset, to_offset); to_offset is null when the end of the old stream is unknown.
  from_offset bigint not null,
  to_offset bigint,
  -- Events that occurred within [data_from, data_through] may be missing.
  data_from timestamptz,
  data_through timestamptz not null,
  detected_at timestamptz not null default now(),
  acknowledged_at timestamptz,
  acknowledged_by text,
  acknowledged_reason text
);
create unique index data_gaps_once on data_gaps (partition, incarnation, kind, from_offset);
