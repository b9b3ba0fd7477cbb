-- Fences a batch that reads an older part of the stream again: the cursor is locked and stays where it is.
-- $1 partition  $2 epoch of the owner
-- No row when the partition has another owner. Index: primary key of ingest_cursors.
select partition
from ingest_cursors
where partition = $1::smallint
  and epoch = $2::bigint
for update
