-- Gives back the lease $1 of owner $2 and epoch $3.
update leases
set expires_at = '-infinity'
where name = $1::text and owner = $2::text and epoch = $3::bigint
