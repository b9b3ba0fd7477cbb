-- What the last verification has found; no row before the first.
-- Columns: finished_at, seconds, open_gaps, layers ([{"relation", "against", "differing"}]).
select finished_at, seconds, open_gaps, layers
from last_verification
where finished_at is not null
