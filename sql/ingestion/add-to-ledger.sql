-- Adds the counts of a batch to the ledger of each organisation and hour; sorted, so that writers cannot deadlock.
-- $1 org ids  $2 hours  $3 stored  $4 duplicates  $5 conflicts  $6 quarantined
-- Index: primary key of ingest_ledger.
insert into ingest_ledger as ledger (
  org_id, hour, received, stored, duplicates, conflicts, quarantined
)
select
  org_id,
  hour,
  stored + duplicates + conflicts + quarantined,
  stored,
  duplicates,
  conflicts,
  quarantined
from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
  as batch (org_id, hour, stored, duplicates, conflicts, quarantined)
order by org_id, hour
on conflict (org_id, hour) do update
set
  received = ledger.received + excluded.received,
  stored = ledger.stored + excluded.stored,
  duplicates = ledger.duplicates + excluded.duplicates,
  conflicts = ledger.conflicts + excluded.conflicts,
  quarantined = ledger.quarantined + excluded.quarantined
