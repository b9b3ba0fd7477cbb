-- Makes batches that come over HTTP without a broker serial: they share the row of partition 0.
-- Index: primary key of ingest_cursors.
insert into ingest_cursors (partition, owner, lease_renewed_at, committed_at, data_through)
values (0, 'direct', now(), now(), now())
on conflict (partition) do update
set
  owner = 'direct',
  lease_renewed_at = now(),
  committed_at = now(),
  data_through = now()
