-- Claims the identities of a batch that are not known within the dedupe window; answers those that are.
-- $1 org ids  $2 event ids  $3 payload hashes, each identity once  $4 day of arrival  $5 first day of the window
-- Columns: index into the arrays from 0, stored_payload_hash in hexadecimal.
-- A second writer of the same identity fails with 23505 on usage_event_keys: the batch is repeated and finds it.
-- Index: primary key of usage_event_keys, once per day of the window.
with batch as (
  select org_id, event_id, payload_hash, position
  from unnest($1::uuid[], $2::uuid[], $3::uuid[])
    with ordinality as batch (org_id, event_id, payload_hash, position)
),
known as (
  select batch.position, stored.payload_hash
  from batch
  join usage_event_keys as stored
    on stored.org_id = batch.org_id
    and stored.event_id = batch.event_id
  -- The upper bound leaves out the empty partitions made ahead; its day of grace is for replicas whose clocks differ.
  where stored.arrived_on between $5::timestamptz and $4::timestamptz + interval '1 day'
),
claimed as (
  insert into usage_event_keys (org_id, event_id, payload_hash, arrived_on)
  select org_id, event_id, payload_hash, $4::timestamptz
  from batch
  where position not in (select known.position from known)
  order by org_id, event_id
)
select
  (known.position - 1)::integer as index,
  replace(known.payload_hash::text, '-', '') as stored_payload_hash
from known
