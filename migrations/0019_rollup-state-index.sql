-- The views ask this table of one row for the watermark. Questions forbid sequential scans (sql/aggregation/tune-reading),
-- and there was no other way to read it: each view then seemed to cost so much that all other costs were the same.
create index rollup_state_materialized_through on rollup_state (materialized_through);
