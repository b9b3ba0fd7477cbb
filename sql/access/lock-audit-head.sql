-- Where the audit log ends. Locked until the transaction ends: whoever adds to it next waits.
-- Columns: sequence, hash (of the last entry).
select sequence::text as sequence, hash
from audit_head
for update
