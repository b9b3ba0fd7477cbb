-- One gap.
-- $1 id
-- Columns: those of a gap of the answer. Index: primary key.
select
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
where gap_id = $1::uuid
