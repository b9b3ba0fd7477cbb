-- Which places of a range of the stream are in quarantine, whatever was decided about them.
-- $1 partition  $2 incarnation  $3 first  $4 last offset
-- Columns: stream_offset as text, position. Index: the unique key of quarantined_events.
select stream_offset::text as stream_offset, position
from quarantined_events
where partition = $1::smallint
  and incarnation = $2::integer
  and stream_offset between $3::bigint and $4::bigint
