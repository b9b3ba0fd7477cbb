-- Thresholds of budgets that spend has reached. The budgets themselves stand in a file of the operator (BUDGETS_FILE).

create table budget_alerts (
  alert_id uuid primary key default gen_random_uuid(),
  org_id uuid not null,
  period text not null check (period in ('month', 'day')),
  -- 2026-11 or 2026-11-24, in the time zone of the budget.
  period_name text not null,
  -- Of the amount.
  percent integer not null check (percent > 0),
  amount numeric not null,
  spent numeric not null,
  currency text not null,
  fired_at timestamptz not null,

  -- The URL is that of the file at the time of each attempt: it may be a secret, and it may be corrected.
  webhook text not null check (webhook in ('none', 'pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  delivered_at timestamptz,
  -- A sentence: why the last attempt failed.
  failure text,

  -- Whoever comes second, another replica or the same one after a restart, finds the row and does nothing.
  unique (org_id, period, period_name, percent)
);
create index budget_alerts_pending on budget_alerts (next_attempt_at) where webhook = 'pending';
