-- Takes one webhook that is due for an attempt; nobody else gets it before $2, also if this process dies.
-- $1 due by then  $2 when it is due again
-- Columns: those of the alert, amounts as text.
-- Index: budget_alerts_pending.
update budget_alerts set attempts = attempts + 1, next_attempt_at = $2::timestamptz
where alert_id = (
  select alert_id from budget_alerts
  where webhook = 'pending' and next_attempt_at <= $1::timestamptz
  order by next_attempt_at
  limit 1
  for update skip locked
)
returning
  alert_id as "alertId",
  org_id as "orgId",
  period,
  period_name as "periodName",
  percent,
  trim_scale(amount)::text as amount,
  trim_scale(spent)::text as spent,
  currency,
  fired_at as "firedAt",
  attempts
