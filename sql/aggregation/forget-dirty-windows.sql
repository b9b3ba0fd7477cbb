-- Forgets windows that were refreshed, unless late events have touched them again since they were claimed.
-- $1 org ids  $2 hours  $3 generations as claimed. Index: primary key of dirty_windows.
delete from dirty_windows
using unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) as refreshed (org_id, hour, generation)
where dirty_windows.org_id = refreshed.org_id
  and dirty_windows.hour = refreshed.hour
  and dirty_windows.generation = refreshed.generation
