-- Where the audit log ends.
-- Columns: sequence, hash (of the last entry).
select sequence::text as sequence, hash
from audit_head
