-- Rollups that a later release has added are materialised below $1. See migrations/0017, 0020 and 0021.
update rollup_state
set
  quarters_through = date_bin(interval '15 minutes', $1::timestamptz, timestamptz '2000-01-01 00:00:00+00'),
  latency_sums_through = $1::timestamptz,
  minutes_through = date_trunc('minute', $1::timestamptz)
