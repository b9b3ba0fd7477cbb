-- How many events a range holds.
-- $1, $2: half-open range  $3 organisation, or null for all
-- Column: events, as text. Index: usage_events_by_org, or the partitions and chunks of the range.
select count(*)::text as events
from usage_events
where occurred_at >= $1::timestamptz
  and occurred_at < $2::timestamptz
  and ($3::uuid is null or org_id = $3::uuid)
