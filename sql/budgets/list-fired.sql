-- The thresholds of a period that have fired.
-- $1 organisation  $2 month or day  $3 name of the period
-- Columns: percent, fired_at, webhook.
-- Index: budget_alerts_org_id_period_period_name_percent_key.
select percent, fired_at, webhook
from budget_alerts
where org_id = $1::uuid and period = $2::text and period_name = $3::text
order by percent
