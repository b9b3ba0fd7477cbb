-- Start of the oldest chunk of events. Column: oldest, null when there is none.
select min(range_start) as oldest
from timescaledb_information.chunks
where hypertable_name = 'usage_events'
