-- Materialises the buckets of one continuous aggregate within [$1, $2), both on bucket boundaries. Commits by itself,
-- so it cannot run in a transaction. Ranges in which nothing changed cost nothing.
call refresh_continuous_aggregate(':relation', $1::timestamptz, $2::timestamptz)
