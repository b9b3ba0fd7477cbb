-- Which events of a batch are stored although their keys have left the dedupe window.
-- $1 org ids  $2 event ids  $3 occurrences
-- Column: index into the arrays from 0. Index: usage_events_identity.
select (batch.position - 1)::integer as index
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
  with ordinality as batch (org_id, event_id, occurred_at, position)
join usage_events as stored
  on stored.org_id = batch.org_id
  and stored.event_id = batch.event_id
  and stored.occurred_at = batch.occurred_at
