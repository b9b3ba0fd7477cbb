-- Announces the watermark $1. Waits for every batch that holds the row and so may not have seen it.
update rollup_state
set watermark = greatest(watermark, $1::timestamptz)
