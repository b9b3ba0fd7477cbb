-- Chunks of events that end at or before $1 and are not compressed yet, oldest first. Column: chunk, a relation's name.
select format('%I.%I', chunk_schema, chunk_name) as chunk
from timescaledb_information.chunks
where hypertable_name = 'usage_events'
  and not is_compressed
  and range_end <= $1::timestamptz
order by range_end
