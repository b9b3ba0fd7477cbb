-- Gives back an attempt that was broken off before it ended, unless a later one has begun since: it does not count, and
-- another process may begin it now.
-- $1 alert  $2 attempt  $3 now
update budget_alerts
set attempts = attempts - 1, next_attempt_at = $3::timestamptz
where alert_id = $1::uuid and attempts = $2::integer and webhook = 'pending'
