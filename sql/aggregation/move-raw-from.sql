-- Gives up raw events below $1 once every rollup below it is as it will be for ever. Run it after
-- hold-rollup-state in the same transaction, so that no batch can note a dirty window meanwhile.
update rollup_state
set raw_from = $1::timestamptz
where raw_from < $1::timestamptz
  and materialized_through >= $1::timestamptz
  and not exists (select from dirty_windows where hour < $1::timestamptz)
