-- Events below it may be gone. Column: raw_from, null while none are.
select nullif(raw_from, '-infinity') as raw_from
from rollup_state
