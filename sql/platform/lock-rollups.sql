-- Held by whoever refreshes or expires, until its transaction ends, so that one waits for the other.
select pg_advisory_xact_lock(hashtextextended('usage-analytics/rollups', 0))
