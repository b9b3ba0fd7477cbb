-- What was quarantined under an identity, newest first.
-- $1 organisation  $2 event
-- Columns: those of a receipt. Index: quarantined_events_by_event.
select
  quarantine_id as "quarantineId",
  reason,
  detail,
  state,
  quarantined_at as "quarantinedAt",
  reviewed_at as "reviewedAt",
  reviewed_by as "reviewedBy",
  replay_outcome as "replayOutcome"
from quarantined_events
where org_id = $1::uuid
  and event_id = $2::uuid
order by quarantined_at desc, quarantine_id desc
limit 100
