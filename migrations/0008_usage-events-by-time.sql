-- Some readers want events by time alone: a refresh, a reconciliation, and on TimescaleDB every question about all
-- organisations for what is not materialised yet. Without this index they read the whole of today: 1,226 blocks where
-- these are 146 (75,000 events of one day, the last two hours asked for). Events arrive about in the order of their
-- time, which is all that a block range index needs, and it costs a batch next to nothing.
create index usage_events_by_time on usage_events
using brin (occurred_at) with (pages_per_range = 32, autosummarize = on);
