-- Claims the embedded server for the process at the other end, until its connection ends. Column: claimed.
select pg_try_advisory_lock(hashtextextended('usage-analytics/embedded', 0)) as claimed
