-- How far the rollups are and where raw data begins; null stands for -infinity.
-- Columns: watermark, materialized_through, raw_from.
select
  nullif(watermark, '-infinity') as watermark,
  nullif(materialized_through, '-infinity') as materialized_through,
  nullif(raw_from, '-infinity') as raw_from
from rollup_state
