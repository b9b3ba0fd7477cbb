-- What there is to reconcile, at this moment.
-- $1 rollups and ledger are looked at from here on, or from where hourly rollups are kept
-- Columns: raw_from (events below it may be gone; null: none are), oldest (start of the oldest day that rollups or
-- ledger hold; null without any).
-- Index: none of the tables is read for more than a row a day and hour of each organisation.
select
  nullif(raw_from, '-infinity') as raw_from,
  least(
    (select min(bucket) from usage_daily where bucket >= greatest($1::timestamptz, hours_from)),
    (select min(date_trunc('day', hour, 'UTC')) from ingest_ledger where hour >= greatest($1::timestamptz, hours_from))
  ) as oldest
from rollup_state
