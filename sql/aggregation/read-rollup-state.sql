-- How far the rollups are, and from when on raw data and they are kept; null stands for -infinity.
-- Columns: watermark, materialized_through, raw_from, quarter_hours_from, hours_from, days_from.
select
  nullif(watermark, '-infinity') as watermark,
  nullif(materialized_through, '-infinity') as materialized_through,
  nullif(raw_from, '-infinity') as raw_from,
  nullif(quarter_hours_from, '-infinity') as quarter_hours_from,
  nullif(hours_from, '-infinity') as hours_from,
  nullif(days_from, '-infinity') as days_from
from rollup_state
