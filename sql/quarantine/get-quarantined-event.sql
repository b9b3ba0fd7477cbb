-- One quarantined event with what arrived.
-- $1 organisation, or null for any  $2 id
-- Columns: those of a quarantined event of the answer. Index: primary key.
select
  quarantine_id as "quarantineId",
  org_id as "orgId",
  event_id as "eventId",
  occurred_at as "occurredAt",
  reason,
  detail,
  state,
  partition,
  incarnation,
  stream_offset::text as "streamOffset",
  position,
  payload_bytes as "payloadBytes",
  quarantined_at as "quarantinedAt",
  reviewed_at as "reviewedAt",
  reviewed_by as "reviewedBy",
  review_reason as "reviewReason",
  replay_outcome as "replayOutcome",
  payload as "payloadBuffer",
  replace(payload_hash::text, '-', '') as "payloadHash",
  replace(stored_payload_hash::text, '-', '') as "storedPayloadHash",
  corrected_payload as "correctedPayload"
from quarantined_events
where quarantine_id = $2::uuid
  and ($1::uuid is null or org_id = $1::uuid)
