-- Events and hourly rollups below these may be gone. Columns: raw_from, hours_from; null while none are.
select
  nullif(raw_from, '-infinity') as raw_from,
  nullif(hours_from, '-infinity') as hours_from
from rollup_state
