-- Rollups below $1 are materialised.
update rollup_state
set
  materialized_through = greatest(materialized_through, $1::timestamptz),
  refreshed_at = now()
