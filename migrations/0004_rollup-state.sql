-- How far the rollups are materialised, and which closed windows late events have touched since.

create table rollup_state (
  singleton boolean primary key default true check (singleton),
  -- Announced before a refresh: a batch notes a dirty window for every event below it. Batches hold this row
  -- `for share` until they commit, so an announcement waits for all that could not see it yet.
  watermark timestamptz not null default '-infinity',
  -- Rollups below this are materialised; trails the watermark while a refresh runs.
  materialized_through timestamptz not null default '-infinity',
  -- Events below this may be dropped, and rollups below it are never computed again, else they would shrink.
  -- A batch that holds this row stores no event below it.
  raw_from timestamptz not null default '-infinity',
  refreshed_at timestamptz
);
insert into rollup_state default values;

-- A closed hour of one organisation that got events after it was materialised.
create table dirty_windows (
  org_id uuid not null,
  hour timestamptz not null,
  -- Grows with each late batch: a refresh forgets the window only if it has not grown meanwhile.
  generation bigint not null default 1,
  noted_at timestamptz not null default now(),
  primary key (org_id, hour)
);
create index dirty_windows_by_hour on dirty_windows (hour);

-- Work that one process does at a time. Fenced by epoch: see sql/platform/acquire-lease.sql.
create table leases (
  name text primary key,
  owner text not null,
  epoch bigint not null default 1,
  expires_at timestamptz not null
);
