-- The announced watermark, held until the batch commits: a refresh that announces a higher one waits for the batch.
-- Column: watermark_ms, milliseconds since the epoch as double precision, -Infinity before the first refresh.
select extract(epoch from watermark)::double precision * 1000 as watermark_ms
from rollup_state
for share
