-- Makes the next refresh of the rollup $1 compute its buckets within [$2, $3) again. See migrations/0009_rebuild.
select note_as_changed($1::text, $2::timestamptz, $3::timestamptz)
