-- Makes this replica the owner of a partition when it has none, or when its owner has been silent for too long by the
-- database's clock. Every change of owner starts a new epoch, which fences the batches of the former one.
-- $1 partition  $2 replica  $3 milliseconds of silence after which an owner is replaced
-- No row when another owner is alive; asking then locks nothing. Index: primary key of ingest_cursors.
insert into ingest_cursors as cursor (partition, epoch, owner, lease_renewed_at)
select $1::smallint, 1, $2::text, now()
where not exists (
  select
  from ingest_cursors as held
  where held.partition = $1::smallint
    and held.owner not in ($2::text, 'direct')
    and held.lease_renewed_at >= now() - $3::double precision * interval '1 millisecond'
)
on conflict (partition) do update
set
  epoch = cursor.epoch + 1,
  owner = excluded.owner,
  lease_renewed_at = now()
where cursor.owner is null
  or cursor.owner in (excluded.owner, 'direct')
  or cursor.lease_renewed_at is null
  or cursor.lease_renewed_at < now() - $3::double precision * interval '1 millisecond'
returning epoch::integer, next_offset, last_message_hash, incarnation, committed_at, data_through,
  (extract(epoch from now()) * 1000)::double precision as now_ms
