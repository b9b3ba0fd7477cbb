-- The hours within [$1, $2) (null: without a limit) that late events have touched: all windows of the first day that
-- has one.
-- Columns: org_id, hour, generation, touched_from, touched_to (half-open; what late events have touched of the hour, all of
-- it where a release before migrations/0022 has noted one).
-- Index: dirty_windows_by_hour.
with dirty as (
  select *
  from dirty_windows
  where hour >= coalesce($1::timestamptz, '-infinity')
    and hour < coalesce($2::timestamptz, 'infinity')
)
select
  org_id,
  hour,
  generation,
  case when spanned = generation then earliest else hour end as touched_from,
  case when spanned = generation then latest + interval '1 millisecond' else hour + interval '1 hour' end as touched_to
from dirty
where hour < (select date_trunc('day', min(hour), 'UTC') + interval '1 day' from dirty)
order by hour
