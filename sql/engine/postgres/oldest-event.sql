-- The oldest quarter of an hour with events: as old as the oldest event, and far fewer rows to look at.
-- Column: oldest, null when there is none.
select min(bucket) as oldest
from usage_15min
