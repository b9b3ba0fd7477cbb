-- Tells that the owner of a partition is alive, and how far behind it is.
-- $1 partition  $2 epoch  $3 messages behind the cursor
-- $4 milliseconds since everything that lay in the stream was committed, or null while something is left to read
-- Updates no row when the partition has another owner. Index: primary key of ingest_cursors.
update ingest_cursors
set
  lease_renewed_at = now(),
  backlog = $3::bigint,
  data_through = greatest(data_through, now() - $4::double precision * interval '1 millisecond')
where partition = $1::smallint
  and epoch = $2::bigint
