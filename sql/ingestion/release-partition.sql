-- Gives a partition up, so that the next owner need not wait.
-- $1 partition  $2 epoch. Index: primary key of ingest_cursors.
update ingest_cursors
set owner = null
where partition = $1::smallint
  and epoch = $2::bigint
