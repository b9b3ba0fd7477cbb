-- What the closed hours of one organisation in a window hold, told without reading them: events are only ever added, so
-- how many the ledger says are stored names one state of them.
-- $1 organisation  $2 start  $3 end of the window
-- Columns: closed_through_ms (milliseconds since the epoch, -Infinity before the first refresh), is_settled (false while
-- the rollups lack late events of the window), version.
-- Index: primary keys of dirty_windows and ingest_ledger.
select
  extract(epoch from closed.through)::double precision * 1000 as closed_through_ms,
  not exists (
    select from dirty_windows
    where org_id = $1::uuid
      and hour > $2::timestamptz - interval '1 hour'
      and hour < $3::timestamptz
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
