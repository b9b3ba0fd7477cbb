-- What is kept by the quarter of an hour is materialised below $1. See migrations/0017.
update rollup_state
set quarters_through = date_bin(interval '15 minutes', $1::timestamptz, timestamptz '2000-01-01 00:00:00+00')
