-- Records from when on rollups are kept, whatever a later run drops below. Never moves back.
-- $1 quarters of an hour  $2 hours  $3 days
update rollup_state
set
  quarter_hours_from = greatest(quarter_hours_from, $1::timestamptz),
  hours_from = greatest(hours_from, $2::timestamptz),
  days_from = greatest(days_from, $3::timestamptz)
where quarter_hours_from < $1::timestamptz
  or hours_from < $2::timestamptz
  or days_from < $3::timestamptz
