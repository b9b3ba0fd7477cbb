-- Waits for every batch under way and keeps new ones waiting until the transaction ends.
select raw_from
from rollup_state
for update
