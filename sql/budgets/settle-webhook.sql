-- Notes how an attempt ended, unless a later one has begun since.
-- $1 alert  $2 attempt  $3 pending, delivered or failed  $4 when it is due again  $5 why it failed, or null  $6 now
update budget_alerts
set
  webhook = $3::text,
  next_attempt_at = $4::timestamptz,
  failure = $5::text,
  delivered_at = case when $3::text = 'delivered' then $6::timestamptz end
where alert_id = $1::uuid and attempts = $2::integer and webhook = 'pending'
