-- Tells that a replica reads no more.
-- $1 name of the replica. Index: primary key of leases.
delete from leases
where name = 'ingestion/' || $1::text
