-- What operators decide about quarantined events, and the work they ask for: rebuilding rollups, reading streams again.

alter table quarantined_events
  add column reviewed_at timestamptz,
  add column reviewed_by text,
  -- Of a dismissal, or given with a replay.
  add column review_reason text,
  -- What became of the event that was replayed.
  add column replay_outcome text check (replay_outcome in ('stored', 'duplicate')),
  -- The payload that was replayed in place of the one that arrived.
  add column corrected_payload jsonb,
  add check ((state = 'open') = (reviewed_at is null and reviewed_by is null)),
  add check ((state = 'replayed') = (replay_outcome is not null)),
  add check (state <> 'dismissed' or review_reason is not null);
create index quarantined_events_by_time on quarantined_events (quarantined_at desc, quarantine_id desc);
create index quarantined_events_by_event on quarantined_events (org_id, event_id);
create index quarantined_events_by_occurrence on quarantined_events (org_id, occurred_at);

-- Requests to compute rollups again from events, and how far they are.
create table reaggregations (
  job_id uuid primary key default gen_random_uuid(),
  state text not null default 'pending'
    check (state in ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
  -- Whole hours of UTC.
  window_start timestamptz not null,
  window_end timestamptz not null,
  -- Null: all organisations.
  org_id uuid,
  requested_by text not null,
  -- Milliseconds, so that a list continues exactly behind what JavaScript read.
  requested_at timestamptz(3) not null default now(),
  -- Grows with each claim: whatever a worker of an older attempt writes or says is ignored.
  attempt integer not null default 0,
  -- Attempts that failed or whose worker died, since the last progress.
  failures integer not null default 0,
  -- Not claimed before.
  available_at timestamptz not null default now(),
  worker text,
  started_at timestamptz,
  heartbeat_at timestamptz,
  finished_at timestamptz,
  -- Everything of the window below it is rebuilt: where the next attempt goes on.
  rebuilt_through timestamptz not null,
  -- Events that were read for it.
  rows_read bigint not null default 0,
  -- A sentence for whoever asked: why the last attempt failed.
  failure text,
  check (window_start < window_end),
  check (rebuilt_through between window_start and window_end)
);
-- Asking again for what is under way adds nothing.
create unique index reaggregations_once_open
on reaggregations (window_start, window_end, coalesce(org_id, '00000000-0000-0000-0000-000000000000'))
where state in ('pending', 'running');
create index reaggregations_by_time on reaggregations (requested_at desc, job_id desc);

-- Requests to read a part of a stream again, and what was found there.
create table replay_requests (
  replay_id uuid primary key default gen_random_uuid(),
  state text not null default 'pending'
    check (state in ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
  partition smallint not null,
  -- Of the stream when it was asked for: another one is not read.
  incarnation integer not null,
  -- Where to begin: one of the two.
  from_offset bigint,
  from_time timestamptz,
  -- Where to end: the cursor when it was asked for. What is behind it is read anyway.
  to_offset bigint not null,
  requested_by text not null,
  requested_at timestamptz(3) not null default now(),
  attempt integer not null default 0,
  failures integer not null default 0,
  available_at timestamptz not null default now(),
  worker text,
  started_at timestamptz,
  heartbeat_at timestamptz,
  finished_at timestamptz,
  -- Everything below is read: where the next attempt goes on. Null before the first message.
  next_offset bigint,
  messages bigint not null default 0,
  -- received = stored + duplicates + conflicts + quarantined + known + expired
  received bigint not null default 0,
  stored bigint not null default 0,
  duplicates bigint not null default 0,
  conflicts bigint not null default 0,
  quarantined bigint not null default 0,
  -- In quarantine since an earlier reading.
  known bigint not null default 0,
  -- Too old to be told from what was dropped with its raw data.
  expired bigint not null default 0,
  failure text,
  check ((from_offset is null) <> (from_time is null)),
  check (received = stored + duplicates + conflicts + quarantined + known + expired)
);
create unique index replay_requests_once_open on replay_requests (partition) where state in ('pending', 'running');
create index replay_requests_by_time on replay_requests (requested_at desc, replay_id desc);

-- A batch by which an operator admits events.
alter table ingest_batches
  drop constraint ingest_batches_source_check,
  add constraint ingest_batches_source_check check (source in ('stream', 'replay', 'direct', 'repair'));
