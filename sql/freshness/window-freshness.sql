-- How far committed data reaches and what may still change a window.
-- $1 organisation, or null for all  $2 start  $3 end of the window  $4 now  $5 partitions in use
-- $6 late horizon, milliseconds  $7 whether there is a broker
-- Columns: cursors (of how many of the partitions in use there is one), data_through (null while one of them has
-- committed nothing), is_dirty (hours of it wait for a refresh), open_gaps (gaps that nobody has acknowledged and
-- that may have held events of it: what was lost was sent within the gap, and may have occurred as long before as events
-- may be late).
-- Index: primary keys of ingest_cursors and dirty_windows, dirty_windows_by_hour.
with cursors as (
  select
    partition,
    -- A process that commits what it is sent before it answers has nothing behind it.
    case when owner = 'direct' and not $7::boolean then $4::timestamptz else data_through end as data_through
  from ingest_cursors
  where partition < $5::integer
    or backlog > 0
)
select
  (count(*) filter (where partition < $5::integer))::integer as cursors,
  case when bool_and(data_through is not null) then min(data_through) end as data_through,
  exists (
    select
    from dirty_windows
    where ($1::uuid is null or org_id = $1::uuid)
      and hour > $2::timestamptz - interval '1 hour'
      and hour < $3::timestamptz
  ) as is_dirty,
  (
    select count(*)::integer
    from data_gaps
    where acknowledged_at is null
      and coalesce(data_from - $6::double precision * interval '1 millisecond', '-infinity') < $3::timestamptz
      and data_through >= $2::timestamptz
  ) as open_gaps
from cursors
