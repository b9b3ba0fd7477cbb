-- Records what was decided about an open quarantined event.
-- $1 id  $2 state  $3 who  $4 reason, or null  $5 outcome of the replay, or null  $6 corrected payload, or null
-- No row when somebody else has reviewed it. Index: primary key.
update quarantined_events
set
  state = $2::text,
  reviewed_at = now(),
  reviewed_by = $3::text,
  review_reason = $4::text,
  replay_outcome = $5::text,
  corrected_payload = $6::jsonb
where quarantine_id = $1::uuid
  and state = 'open'
