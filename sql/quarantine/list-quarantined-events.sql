-- Quarantined events, newest first.
-- $1 organisation, or null for all and those that name none  $2 states, $3 reasons, or null for all
-- $4, $5 quarantined within [from, to), or null  $6 partition, or null  $7, $8 offset within [from, to), or null
-- $9 microseconds and $10 id of the row before the page, or null  $11 limit
-- Columns: those of a quarantined event of the answer, id, micros.
-- Index: quarantined_events_by_org, quarantined_events_by_time.
select
  quarantine_id as id,
  (extract(epoch from quarantined_at) * 1000000)::bigint::text as micros,
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
  replay_outcome as "replayOutcome"
from quarantined_events
where ($1::uuid is null or org_id = $1::uuid)
  and ($2::text[] is null or state = any($2::text[]))
  and ($3::text[] is null or reason = any($3::text[]))
  and ($4::timestamptz is null or quarantined_at >= $4::timestamptz)
  and ($5::timestamptz is null or quarantined_at < $5::timestamptz)
  and ($6::smallint is null or partition = $6::smallint)
  and ($7::bigint is null or stream_offset >= $7::bigint)
  and ($8::bigint is null or stream_offset < $8::bigint)
  and (
    $9::bigint is null
    or (quarantined_at, quarantine_id) < (timestamptz 'epoch' + $9::bigint * interval '1 microsecond', $10::uuid)
  )
order by quarantined_at desc, quarantine_id desc
limit $11::integer
