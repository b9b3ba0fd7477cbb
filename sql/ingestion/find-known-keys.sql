-- Which identities of a batch were claimed within the dedupe window.
-- $1 org ids  $2 event ids, each identity once  $3 day of arrival  $4 first day of the window
-- Columns: index into the arrays from 0, stored_payload_hash in hexadecimal.
-- Index: primary key of usage_event_keys, once per day of the window.
select
  (batch.position - 1)::integer as index,
  replace(stored.payload_hash::text, '-', '') as stored_payload_hash
from unnest($1::uuid[], $2::uuid[]) with ordinality as batch (org_id, event_id, position)
join usage_event_keys as stored
  on stored.org_id = batch.org_id
  and stored.event_id = batch.event_id
-- The upper bound leaves out the empty partitions made ahead; its day of grace is for replicas whose clocks differ.
where stored.arrived_on between $4::timestamptz and $3::timestamptz + interval '1 day'
