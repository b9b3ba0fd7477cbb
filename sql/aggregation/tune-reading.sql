-- For the rest of the transaction: plans for the window that is asked for, not for any (a generic plan of the same
-- statement took 700 ms where its own took 400: platform-series over 7 days by hour), no time lost on compiling, memory
-- to group in, and no whole chunk of events read for what lies above the watermark: PostgreSQL cannot know how little
-- that is and takes it for a third of everything. Scans are dear for that rather than off: with enable_seqscan off the
-- scan of one row of rollup_state costs 1e10, beside which all other costs are the same, and sorts were chosen where
-- hashing took half the time.
select
  set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('jit', 'off', true),
  set_config('seq_page_cost', '100', true),
  set_config('work_mem', '32MB', true)
