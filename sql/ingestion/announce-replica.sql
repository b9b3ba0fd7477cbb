-- Tells that a replica is ready to read partitions, answers which replicas are, and forgets those gone for a day.
-- $1 name of the replica  $2 milliseconds after which it counts as gone unless it tells again
-- Column: replica. Index: primary key of leases.
with announced as (
  insert into leases (name, owner, expires_at)
  values (
    'ingestion/' || $1::text, $1::text, clock_timestamp() + $2::double precision * interval '1 millisecond'
  )
  on conflict (name) do update
  set expires_at = excluded.expires_at
  returning owner
),
forgotten as (
  delete from leases
  where name like 'ingestion/%'
    and expires_at < clock_timestamp() - interval '1 day'
)
select owner as replica
from announced
union
select owner
from leases
where name like 'ingestion/%'
  and expires_at > clock_timestamp()
