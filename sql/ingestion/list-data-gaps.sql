-- Gaps of the streams, newest first.
-- $1 true for open ones, false for acknowledged ones, null for all  $2 partition, or null
-- $3 microseconds and $4 id of the row before the page, or null  $5 limit
-- Columns: those of a gap of the answer, id, micros. Index: none, there are few.
select
  gap_id as id,
  (extract(epoch from detected_at) * 1000000)::bigint::text as micros,
  gap_id as "gapId",
  partition,
  incarnation,
  kind,
  from_offset::text as "fromOffset",
  to_offset::text as "toOffset",
  data_from as "dataFrom",
  data_through as "dataThrough",
  detected_at as "detectedAt",
  acknowledged_at as "acknowledgedAt",
  acknowledged_by as "acknowledgedBy",
  acknowledged_reason as "acknowledgedReason"
from data_gaps
where ($1::boolean is null or (acknowledged_at is null) = $1::boolean)
  and ($2::smallint is null or partition = $2::smallint)
  and (
    $3::bigint is null
    or (detected_at, gap_id) < (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::uuid)
  )
order by detected_at desc, gap_id desc
limit $5::integer
