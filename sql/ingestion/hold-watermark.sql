-- The announced watermark, held until the batch commits: a refresh that announces a higher one waits for the batch.
-- Columns: watermark_ms and raw_from_ms, milliseconds since the epoch as double precision, -Infinity before the first
-- refresh and expiry. Events before raw_from must not be stored: their day is gone or going, and a refresh of it would
-- take away from its rollups.
select
  extract(epoch from watermark)::double precision * 1000 as watermark_ms,
  extract(epoch from raw_from)::double precision * 1000 as raw_from_ms
from rollup_state
for share
