-- How far committed data and rollups reach, over all partitions.
-- $1 now  $2 partitions in use
-- Columns: cursors (how many), data_through (null while a partition has committed nothing), materialized_through
-- (null before the first refresh), open_gaps (lost parts of the stream that nobody has acknowledged).
with cursors as (
  -- A process that commits what it is sent before it answers has nothing behind it.
  select case when owner = 'direct' then $1::timestamptz else data_through end as data_through
  from ingest_cursors
  where partition < $2::integer
    or backlog > 0
)
select
  count(*)::integer as cursors,
  case when bool_and(data_through is not null) then min(data_through) end as data_through,
  (select nullif(materialized_through, '-infinity') from rollup_state) as materialized_through,
  (select count(*)::integer from data_gaps where acknowledged_at is null) as open_gaps
from cursors
