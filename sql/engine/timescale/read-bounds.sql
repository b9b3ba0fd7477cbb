-- Between what rollups may be computed again, and below what some are not read.
-- $1 how far rollups are materialised when the refresh has ended, or null for how far they are now
-- Columns: from (null: nothing was dropped), through (null: nothing is materialised), open_hour (latencies by the quarter of
-- an hour are read from there on), open_quarter (minutes are; latencies by the minute from quarters_through on, until that
-- has moved), skipped_by_others (another release has materialised last and left out what it does not know).
select
  nullif(raw_from, '-infinity') as "from",
  nullif(through, '-infinity') as through,
  date_trunc('hour', through, 'UTC') as open_hour,
  greatest(
    date_trunc('hour', through, 'UTC'),
    least(date_bin(interval '15 minutes', through, timestamptz '2000-01-01 00:00:00+00'), quarters_through)
  ) as open_quarter,
  minutes_through <> materialized_through as skipped_by_others
from rollup_state, coalesce($1::timestamptz, materialized_through) as through
