-- Gaps of the stream that may have held events of a window and that nobody has acknowledged, oldest first.
-- $1 start  $2 end  $3 late horizon, milliseconds: what was lost may have occurred as long before it was sent
-- Columns: those of a gap of the answer; offsets as text.
select
  gap_id as "gapId",
  partition,
  kind,
  from_offset::text as "fromOffset",
  to_offset::text as "toOffset",
  data_from as "dataFrom",
  data_through as "dataThrough",
  detected_at as "detectedAt"
from data_gaps
where acknowledged_at is null
  and coalesce(data_from - $3::double precision * interval '1 millisecond', '-infinity') < $2::timestamptz
  and data_through >= $1::timestamptz
order by detected_at, gap_id
