-- Requests for a file and what became of them, and how far the monthly schedule was carried out.

create table export_jobs (
  job_id uuid primary key default gen_random_uuid(),
  org_id uuid not null,
  state text not null default 'pending'
    check (state in ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'expired')),

  -- What the file is to hold: whole buckets of the time zone, [window_start, window_end).
  window_start timestamptz not null,
  window_end timestamptz not null,
  granularity text not null check (granularity in ('hourly', 'daily', 'monthly', 'events')),
  time_zone text not null,
  -- Empty: no filter.
  model_ids text[] not null default '{}',
  client_ids text[] not null default '{}',
  statuses text[] not null default '{}',
  format text not null check (format in ('csv', 'csv.gz', 'focus')),
  focus_version text check (focus_version in ('1.2', '1.4')),

  -- A principal's id, or 'schedule'.
  requested_by text not null,
  -- Milliseconds, so that a list continues exactly behind what JavaScript read.
  requested_at timestamptz(3) not null default now(),
  idempotency_key text,
  -- SHA-256 of the request: the same key with another request is refused.
  request_hash bytea not null,
  -- The month, such as 2026-10, of a scheduled export.
  scheduled_for text,

  -- Grows with each claim: whatever a worker of an older attempt writes or says is ignored.
  attempt integer not null default 0,
  -- Attempts that failed or whose worker died.
  failures integer not null default 0,
  -- Not claimed before.
  available_at timestamptz not null default now(),
  worker text,
  started_at timestamptz,
  heartbeat_at timestamptz,
  finished_at timestamptz,
  rows_written bigint not null default 0,
  -- A sentence for whoever asked: why the last attempt failed.
  failure text,

  -- Of a job that succeeded; the manifest is the text of the file that stands beside the artifact.
  artifact_key text,
  manifest text,
  expires_at timestamptz,
  -- When nothing of the job was left in the artifact store.
  deleted_at timestamptz,

  check (window_start < window_end),
  check ((format = 'focus') = (focus_version is not null)),
  check ((state = 'succeeded') <= (artifact_key is not null and manifest is not null and expires_at is not null))
);

create unique index export_jobs_by_idempotency_key on export_jobs (org_id, idempotency_key)
where idempotency_key is not null;
create unique index export_jobs_by_schedule on export_jobs (org_id, scheduled_for)
where scheduled_for is not null;
create index export_jobs_by_org on export_jobs (org_id, requested_at desc, job_id desc);
create index export_jobs_open on export_jobs (available_at) where state in ('pending', 'running');
create index export_jobs_undeleted on export_jobs (finished_at)
where deleted_at is null and state in ('succeeded', 'failed', 'cancelled');

-- Months up to here were handed out. The row's lock lets one process at a time hand them out.
create table export_schedule (
  singleton boolean primary key default true check (singleton),
  fired_through timestamptz not null default now()
);
insert into export_schedule default values;
