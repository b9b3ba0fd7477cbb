-- Forgets windows that were refreshed, unless late events have touched them again since they were claimed. A window that
-- another process has forgotten meanwhile, and a batch noted anew, begins with the same generation: it stays if it reaches
-- beyond what was refreshed.
-- $1 org ids  $2 hours  $3 generations  $4 touched_from and  $5 touched_to as claimed. Index: primary key of dirty_windows.
delete from dirty_windows
using
  unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
  as refreshed (org_id, hour, generation, touched_from, touched_to)
where dirty_windows.org_id = refreshed.org_id
  and dirty_windows.hour = refreshed.hour
  and dirty_windows.generation = refreshed.generation
  and case when spanned = dirty_windows.generation then earliest else dirty_windows.hour end >= touched_from
  and case
    when spanned = dirty_windows.generation then latest
    else dirty_windows.hour + interval '1 hour - 1 microsecond'
  end < touched_to
