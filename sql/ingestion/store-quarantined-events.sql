-- Keeps events that could not be stored. One that is known from an earlier reading of the stream is not added.
-- $1 partition  $2 incarnation of the stream  $3 the events as a JSON array
-- Columns of what was added: stream_offset, position. Index: the unique key of quarantined_events.
insert into quarantined_events (
  partition, incarnation, stream_offset, position, reason, detail, org_id, event_id, occurred_at,
  payload, payload_bytes, payload_hash, stored_payload_hash
)
select
  $1::smallint,
  $2::integer,
  quarantined.stream_offset,
  quarantined.position,
  quarantined.reason,
  quarantined.detail,
  quarantined.org_id,
  quarantined.event_id,
  quarantined.occurred_at,
  decode(quarantined.payload, 'base64'),
  quarantined.payload_bytes,
  quarantined.payload_hash,
  quarantined.stored_payload_hash
from json_to_recordset($3::json) as quarantined (
  stream_offset bigint,
  position integer,
  reason text,
  detail text,
  org_id uuid,
  event_id uuid,
  occurred_at timestamptz,
  payload text,
  payload_bytes integer,
  payload_hash uuid,
  stored_payload_hash uuid
)
on conflict (partition, incarnation, stream_offset, position) do nothing
returning stream_offset, position
