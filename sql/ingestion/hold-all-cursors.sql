-- Makes a batch that belongs to no partition serial with the batches of all, so that identities stay exact.
-- Column: partition. Index: primary key of ingest_cursors.
select partition
from ingest_cursors
order by partition
for update
