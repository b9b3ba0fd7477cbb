-- The closed hours that late events have touched: all windows of the first $2 hours after $1 (null: of the first of all).
-- Columns: org_id, hour, generation, touched_from, touched_to (half-open; what late events have touched of the hour, all of
-- it where a release before migrations/0022 has noted one).
-- Index: dirty_windows_by_hour.
select
  org_id,
  hour,
  generation,
  case when spanned = generation then earliest else hour end as touched_from,
  case when spanned = generation then latest + interval '1 millisecond' else hour + interval '1 hour' end as touched_to
from dirty_windows
where hour in (
  select distinct hour
  from dirty_windows
  where hour > coalesce($1::timestamptz, '-infinity')
  order by hour
  limit $2::integer
)
order by hour
