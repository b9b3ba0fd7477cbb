-- For the rest of the transaction: plans for the window that is asked for, not for any (a generic plan of the same
-- statement took 700 ms where its own took 400: platform-series over 7 days by hour), no time lost on compiling or on
-- starting workers (30 ms of a question of 45: PostgreSQL cannot know how little lies above the watermark, takes it for
-- a third of everything and calls for them), and memory to group in. What groups hashes: of the events above the
-- watermark PostgreSQL expects a thousandth where a window is asked for, and would sort them all on disk (1,450 ms
-- instead of 560 for 590,000 of them). No index alone is read: where only organisations are counted, PostgreSQL would read
-- all of today's index by organisation for what lies above the watermark (32 million entries, 2,350 ms, for 430,000
-- events, 370 by their time). Costs of scans stay as they are: making those dear so that no chunk is scanned for
-- that little made hashing as dear as sorting, or a block range index dearer than reading all of today by organisation.
select
  set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('jit', 'off', true),
  set_config('max_parallel_workers_per_gather', '0', true),
  set_config('work_mem', '32MB', true),
  set_config('enable_sort', 'off', true),
  set_config('enable_indexonlyscan', 'off', true)
