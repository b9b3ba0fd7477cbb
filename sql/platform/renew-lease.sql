-- Keeps the lease $1 of owner $2 and epoch $3 for $4 milliseconds more. Changes no row when it has passed on.
update leases
set expires_at = clock_timestamp() + $4::integer * interval '1 millisecond'
where name = $1::text and owner = $2::text and epoch = $3::bigint
