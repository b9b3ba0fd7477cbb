-- Takes the lease $1 for the owner $2 for $3 milliseconds when nobody has it or its time is over, by the database's
-- clock. Column: epoch, which grows with every change of owner; no row when somebody else has the lease.
insert into leases as held (name, owner, expires_at)
values ($1::text, $2::text, clock_timestamp() + $3::integer * interval '1 millisecond')
on conflict (name) do update set
  owner = excluded.owner,
  epoch = held.epoch + 1,
  expires_at = excluded.expires_at
where held.expires_at <= clock_timestamp()
returning epoch
