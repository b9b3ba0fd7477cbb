-- Keeps what a verification has found, instead of the one before.
-- $1 when it finished  $2 seconds that it took  $3 open gaps  $4 its layers: [{"relation", "against", "differing"}]
update last_verification
set finished_at = $1::timestamptz, seconds = $2::double precision, open_gaps = $3::integer, layers = $4::jsonb
