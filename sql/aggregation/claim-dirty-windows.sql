-- The oldest closed hours that late events have touched, at most $1 of them.
-- Columns: org_id, hour, generation. Index: dirty_windows_by_hour.
select org_id, hour, generation
from dirty_windows
order by hour
limit $1::integer
