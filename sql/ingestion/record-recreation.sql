-- Notes that the stream behind a cursor is another one now, and begins it at its first message. What the former stream
-- held behind the cursor is lost; how much that was is unknown.
-- $1 partition  $2 epoch  $3 offset of the cursor
-- No row when the partition has another owner or the cursor has moved. Index: primary key of ingest_cursors.
with moved as (
  update ingest_cursors
  set
    next_offset = 0,
    last_message_hash = null,
    incarnation = incarnation + 1
  where partition = $1::smallint
    and epoch = $2::bigint
    and next_offset = $3::bigint
  returning partition, incarnation - 1 as former_incarnation, data_through
)
insert into data_gaps (partition, incarnation, kind, from_offset, to_offset, data_from, data_through)
select partition, former_incarnation, 'recreated', $3::bigint, null, data_through, now()
from moved
on conflict (partition, incarnation, kind, from_offset) do nothing
returning gap_id
