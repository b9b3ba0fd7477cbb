-- How far committed data and rollups reach, over all partitions.
-- $1 now  $2 partitions in use  $3 whether there is a broker
-- Columns: cursors (of how many of the partitions in use there is one), data_through (null while one of them has
-- committed nothing), materialized_through (null before the first refresh), open_gaps (lost parts of the stream that
-- nobody has acknowledged).
with cursors as (
  select
    partition,
    -- A process that commits what it is sent before it answers has nothing behind it.
    case when owner = 'direct' and not $3::boolean then $1::timestamptz else data_through end as data_through
  from ingest_cursors
  where partition < $2::integer
    or backlog > 0
)
select
  (count(*) filter (where partition < $2::integer))::integer as cursors,
  case when bool_and(data_through is not null) then min(data_through) end as data_through,
  (select nullif(materialized_through, '-infinity') from rollup_state) as materialized_through,
  (select count(*)::integer from data_gaps where acknowledged_at is null) as open_gaps
from cursors
