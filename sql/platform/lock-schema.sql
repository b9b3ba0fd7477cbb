-- Held by whoever migrates, until its transaction ends: replicas that start together migrate one after the other.
select pg_advisory_xact_lock(hashtextextended('usage-analytics/schema', 0))
