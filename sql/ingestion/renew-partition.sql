-- Tells that the owner of a partition is alive, and how far behind it is.
-- $1 partition  $2 epoch  $3 messages behind the cursor  $4 whether nothing is left to read: data is complete up to now
-- Updates no row when the partition has another owner. Index: primary key of ingest_cursors.
update ingest_cursors
set
  lease_renewed_at = now(),
  backlog = $3::bigint,
  data_through = case when $4::boolean then now() else data_through end
where partition = $1::smallint
  and epoch = $2::bigint
