-- Between what rollups may be computed again, and from where on those are read that serve only what is not over.
-- $1 how far rollups are materialised when the refresh has ended, or null for how far they are now
-- Columns: from (null: nothing was dropped), through (null: nothing is materialised), quarters_from, minutes_from (until
-- quarters_through has moved, latencies of the quarters above it are read by the minute), minutes_follow (false where
-- another release has materialised last, which left out what it does not know).
select
  nullif(raw_from, '-infinity') as "from",
  nullif(through, '-infinity') as through,
  date_trunc('hour', through, 'UTC') as quarters_from,
  greatest(
    date_trunc('hour', through, 'UTC'),
    least(date_bin(interval '15 minutes', through, timestamptz '2000-01-01 00:00:00+00'), quarters_through)
  ) as minutes_from,
  minutes_through = materialized_through as minutes_follow
from rollup_state, coalesce($1::timestamptz, materialized_through) as through
