-- From when on the relations that files are read from are kept, as retention has recorded it.
-- Columns: named after the relations; milliseconds since the epoch, -Infinity while nothing was dropped.
select
  extract(epoch from raw_from)::double precision * 1000 as usage_events,
  extract(epoch from quarter_hours_from)::double precision * 1000 as usage_15min,
  extract(epoch from hours_from)::double precision * 1000 as usage_hourly
from rollup_state
