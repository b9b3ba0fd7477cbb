-- The last event of an organisation that is still kept.
-- $1 organisation
-- Columns: last_event_at, last_arrival_at. Index: usage_events_by_org, backwards.
select occurred_at as last_event_at, received_at as last_arrival_at
from usage_events
where org_id = $1::uuid
order by occurred_at desc
limit 1
