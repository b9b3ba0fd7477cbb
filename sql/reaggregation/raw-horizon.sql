-- From where on single events are kept. Column: raw_from, null while none was given up.
select nullif(raw_from, '-infinity') as raw_from
from rollup_state
