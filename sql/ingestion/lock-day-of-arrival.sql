-- Lets no two batches be open that arrived on different days: a key is unique within its day of arrival, so each would
-- take an identity that both hold for new. Batches of the day share the lock; within five minutes of midnight (UTC),
-- or with another day than the database's clock says, a batch goes alone. That keeps days apart as long as no batch
-- takes ten minutes to commit.
-- $1 day of arrival
select case
  when $1::timestamptz = date_trunc('day', now() - interval '5 minutes', 'UTC')
    and $1::timestamptz = date_trunc('day', now() + interval '5 minutes', 'UTC')
  then pg_advisory_xact_lock_shared(hashtextextended('usage-analytics/day-of-arrival', 0))
  else pg_advisory_xact_lock(hashtextextended('usage-analytics/day-of-arrival', 0))
end
