-- What is known of the snapshot that a file is read from.
-- Columns: taken_at; rollup_watermark, null while there is none.
select
  now() as taken_at,
  nullif(materialized_through, '-infinity') as rollup_watermark
from rollup_state
