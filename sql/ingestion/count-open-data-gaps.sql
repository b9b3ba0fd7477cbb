-- How many gaps of the streams nobody has acknowledged.
-- Columns: open.
select count(*)::integer as open
from data_gaps
where acknowledged_at is null
