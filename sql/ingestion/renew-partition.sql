-- Tells that the owner of a partition is alive, and how far behind it is.
-- $1 partition  $2 epoch  $3 messages behind the cursor
-- $4 instant at which everything that lay in the stream was committed, or null while something is left to read
-- Columns: now_ms, what the database's clock shows. No row when the partition has another owner.
-- Index: primary key of ingest_cursors.
update ingest_cursors
set
  lease_renewed_at = now(),
  backlog = $3::bigint,
  data_through = greatest(data_through, $4::timestamptz)
where partition = $1::smallint
  and epoch = $2::bigint
returning (extract(epoch from now()) * 1000)::double precision as now_ms
