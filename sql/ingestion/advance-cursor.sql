-- Fences and moves the cursor of a partition; first statement of every batch, so that batches are serial.
-- $1 partition  $2 epoch of the owner  $3 offset at which the batch was opened  $4 next offset
-- $5 SHA-256 of the last message  $6 latest occurrence in the batch, or null
-- Updates no row when the partition has another owner or the cursor is elsewhere: the batch must be dropped.
-- Index: primary key of ingest_cursors.
update ingest_cursors
set
  next_offset = $4::bigint,
  last_message_hash = $5::bytea,
  committed_at = now(),
  lease_renewed_at = now(),
  data_through = greatest(data_through, least(now(), $6::timestamptz))
where partition = $1::smallint
  and epoch = $2::bigint
  and next_offset = $3::bigint
