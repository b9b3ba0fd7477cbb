-- Notes that the stream has dropped messages that were never read, and moves the cursor behind them.
-- $1 partition  $2 epoch  $3 offset of the cursor  $4 first offset that still exists
-- No row when the partition has another owner or the cursor has moved. Index: primary key of ingest_cursors.
with moved as (
  update ingest_cursors
  set
    next_offset = $4::bigint,
    last_message_hash = null
  where partition = $1::smallint
    and epoch = $2::bigint
    and next_offset = $3::bigint
  returning partition, incarnation, data_through
)
insert into data_gaps (partition, incarnation, kind, from_offset, to_offset, data_from, data_through)
select partition, incarnation, 'truncated', $3::bigint, $4::bigint, data_through, now()
from moved
on conflict (partition, incarnation, kind, from_offset) do update
set to_offset = excluded.to_offset
returning gap_id
