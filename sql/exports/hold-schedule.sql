-- Locks the schedule, so that one process at a time hands out months, and says how far it was carried out.
-- Columns: fired_through.
select fired_through
from export_schedule
for update
