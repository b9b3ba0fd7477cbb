-- From when on events and rollups are kept, as retention has recorded it.
-- Columns: named after the setting of each; milliseconds since the epoch, -Infinity while nothing was dropped.
select
  extract(epoch from raw_from)::double precision * 1000 as "rawRetention",
  extract(epoch from quarter_hours_from)::double precision * 1000 as "retention15min",
  extract(epoch from hours_from)::double precision * 1000 as "retentionHourly",
  extract(epoch from days_from)::double precision * 1000 as "retentionDaily"
from rollup_state
