-- What is stored under an identity.
-- $1 organisation  $2 event
-- Columns: payload_hash in hexadecimal (null when the key has left the dedupe window), occurred_at (null when the raw
-- event is no longer kept). No row for an identity that is not known.
-- Index: primary key of usage_event_keys, usage_events_identity.
select
  (
    select replace(payload_hash::text, '-', '')
    from usage_event_keys
    where org_id = $1::uuid and event_id = $2::uuid
    order by arrived_on desc
    limit 1
  ) as payload_hash,
  (
    select occurred_at
    from usage_events
    where org_id = $1::uuid and event_id = $2::uuid
    limit 1
  ) as occurred_at
