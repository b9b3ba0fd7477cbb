-- What the ledger says became of the events of a window, and what of it nobody has reviewed yet.
-- $1 organisation, or null for all  $2 start  $3 end, both on whole hours
-- Columns: counts as text; reviewed and open ones of quarantine; openConflicts are part of neither; receivedByDay (counts as
-- text by the day of UTC, milliseconds since the epoch).
-- Index: primary key of ingest_ledger, quarantined_events_by_occurrence.
with days as (
  select
    date_trunc('day', hour, 'UTC') as day,
    sum(received) as received,
    sum(stored) as stored,
    sum(duplicates) as duplicates,
    sum(conflicts) as conflicts,
    sum(quarantined) as quarantined
  from ingest_ledger
  where ($1::uuid is null or org_id = $1::uuid)
    and hour >= $2::timestamptz
    and hour < $3::timestamptz
  group by 1
), account as (
  select
    coalesce(sum(received), 0) as received,
    coalesce(sum(stored), 0) as stored,
    coalesce(sum(duplicates), 0) as duplicates,
    coalesce(sum(conflicts), 0) as conflicts,
    coalesce(sum(quarantined), 0) as quarantined,
    coalesce(json_object_agg((extract(epoch from day) * 1000)::bigint, received::text), '{}') as by_day
  from days
), review as (
  select
    count(*) filter (where state = 'open' and reason = 'conflict') as open_conflicts,
    count(*) filter (where state = 'open' and reason <> 'conflict') as open_quarantined,
    count(*) filter (where state = 'replayed') as replayed,
    count(*) filter (where state = 'dismissed') as dismissed
  from quarantined_events
  where ($1::uuid is null or org_id = $1::uuid)
    and org_id is not null
    and occurred_at >= $2::timestamptz
    and occurred_at < $3::timestamptz
)
select
  received::text as received,
  by_day as "receivedByDay",
  stored::text as stored,
  duplicates::text as duplicates,
  conflicts::text as conflicts,
  quarantined::text as quarantined,
  open_conflicts::text as "openConflicts",
  open_quarantined::text as "openQuarantined",
  replayed::text as replayed,
  dismissed::text as dismissed
from account, review
