-- Notes the thresholds that spend has reached and that have not fired in this period; answers those.
-- $1 organisation  $2 month or day  $3 name of the period  $4 thresholds in percent  $5 amount  $6 spent  $7 currency
-- $8 now  $9 pending where there is a webhook, else none
-- Index: budget_alerts_org_id_period_period_name_percent_key.
insert into budget_alerts (
  org_id, period, period_name, percent, amount, spent, currency, fired_at, webhook, next_attempt_at
)
select
  $1::uuid,
  $2::text,
  $3::text,
  threshold.percent,
  $5::numeric,
  $6::numeric,
  $7::text,
  $8::timestamptz,
  $9::text,
  $8::timestamptz
from unnest($4::integer[]) as threshold (percent)
on conflict (org_id, period, period_name, percent) do nothing
returning percent
