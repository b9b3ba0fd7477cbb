-- Where a partition stands.
-- $1 partition
-- Columns: epoch, incarnation, next_offset as text. Index: primary key of ingest_cursors.
select epoch::integer as epoch, incarnation, next_offset::text as next_offset
from ingest_cursors
where partition = $1::smallint
