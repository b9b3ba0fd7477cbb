-- Each partition's cursor and what it took in lately.
-- $1 since when
-- Columns: those of a partition of the answer; counts and offsets as text.
-- Index: ingest_batches_by_time.
with recent as (
  select
    partition,
    sum(received) as received,
    sum(stored) as stored,
    sum(duplicates) as duplicates,
    sum(conflicts) + sum(quarantined) as rejected
  from ingest_batches
  where committed_at >= $1::timestamptz
  group by partition
),
gaps as (
  select partition, count(*) as open_gaps
  from data_gaps
  where acknowledged_at is null
  group by partition
)
select
  cursors.partition,
  cursors.owner,
  cursors.epoch::text as epoch,
  cursors.incarnation,
  cursors.next_offset::text as "nextOffset",
  cursors.backlog::text as backlog,
  cursors.data_through as "dataThrough",
  cursors.committed_at as "lastCommitAt",
  coalesce(gaps.open_gaps, 0)::integer as "openGaps",
  coalesce(recent.received, 0)::text as received,
  coalesce(recent.stored, 0)::text as stored,
  coalesce(recent.duplicates, 0)::text as duplicates,
  coalesce(recent.rejected, 0)::text as rejected
from ingest_cursors as cursors
left join recent using (partition)
left join gaps using (partition)
order by cursors.partition
