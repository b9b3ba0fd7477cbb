-- What the closed hours of one organisation in a window hold, told without reading them: events are only ever added, so
-- how many the ledger says are stored names one state of them.
-- $1 organisation  $2 start  $3 end of the window
-- Columns: closed_through_ms (milliseconds since the epoch, -Infinity before the first refresh), is_settled (false while
-- the rollups lack late events of them, or are rebuilt), version.
-- Index: primary keys of dirty_windows and ingest_ledger; there are few re-aggregations.
select
  extract(epoch from closed.through)::double precision * 1000 as closed_through_ms,
  not exists (
    select from dirty_windows
    where org_id = $1::uuid
      and hour > $2::timestamptz - interval '1 hour'
      and hour < least($3::timestamptz, closed.through)
  ) and not exists (
    -- Each step of a rebuild commits by itself. Whoever works on one that was cancelled notices that within five seconds
    -- and then ends the step that it is at, at most a day of the rollups.
    select from reaggregations
    where window_start < $3::timestamptz
      and window_end > $2::timestamptz
      and state <> 'succeeded'
      and coalesce(finished_at, 'infinity') > now() - interval '10 minutes'
  ) as is_settled,
  concat_ws(
    '/',
    (
      select sum(stored)
      from ingest_ledger
      where org_id = $1::uuid
        and hour > $2::timestamptz - interval '1 hour'
        and hour < least($3::timestamptz, closed.through)
    ),
    -- Rebuilding may mend a rollup that was wrong.
    (select max(finished_at) from reaggregations)
  ) as version
from (select date_trunc('hour', materialized_through, 'UTC') as through from rollup_state) as closed
