-- From here on every change of usage_events below $1 is noted for the next refresh. See migrations/0005 and 0021.
call refresh_continuous_aggregate('usage_events_threshold', null, $1::timestamptz)
