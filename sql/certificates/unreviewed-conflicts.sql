-- Conflicts that nobody has reviewed, by organisation and hour of occurrence, oldest first, at most $4.
-- $1 organisation, or null for all  $2 start  $3 end
-- Columns: orgId, bucket, conflicts. Index: quarantined_events_by_occurrence.
select
  org_id as "orgId",
  to_char(date_trunc('hour', occurred_at, 'UTC') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as bucket,
  count(*)::integer as conflicts
from quarantined_events
where ($1::uuid is null or org_id = $1::uuid)
  and reason = 'conflict'
  and state = 'open'
  and occurred_at >= $2::timestamptz
  and occurred_at < $3::timestamptz
group by 1, 2
order by 2, 1
limit $4::integer
