-- For the rest of the transaction: plans for the window that is asked for, not for any (a generic plan of the same
-- statement took 700 ms where its own took 400: platform-series over 7 days by hour), no time lost on compiling, memory
-- to group in, and no whole chunk of events read for what lies above the watermark: PostgreSQL cannot know how little
-- that is and takes it for a third of everything. That there is no other way for a scan would be seen as a cost of 1e10,
-- beside which all others are the same: every relation of these questions has an index, rollup_state as well. And no
-- parallel workers, which a guess of so many rows would call for: starting them took 30 ms of a question of 45.
select
  set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('jit', 'off', true),
  set_config('enable_seqscan', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true),
  set_config('work_mem', '32MB', true)
