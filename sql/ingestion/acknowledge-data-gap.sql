-- Records who has taken note of an open gap, and why it may be.
-- $1 id  $2 who  $3 why
-- No row when there is no such gap or somebody has acknowledged it. Index: primary key.
update data_gaps
set
  acknowledged_at = now(),
  acknowledged_by = $2::text,
  acknowledged_reason = $3::text
where gap_id = $1::uuid
  and acknowledged_at is null
