-- The models that an organisation used lately, with the last event of each and its arrival.
-- $1 organisation  $2 since when  $3 how many models at most
-- Columns: model_id, last_event_at, last_arrival_at (of the events in the model's last quarter of an hour).
-- The rollup says in which quarter of an hour a model was used last, and only those are read from the events: some
-- quarters of an hour of one organisation instead of a day.
-- Index: (org_id, bucket) of usage_15min, usage_events_by_org.
with last_used as (
  select model_id, max(bucket) as bucket
  from usage_15min
  where org_id = $1::uuid
    and bucket >= $2::timestamptz
  group by model_id
  order by bucket desc, model_id
  limit $3::integer
),
quarters as (
  select bucket, array_agg(model_id) as model_ids
  from last_used
  group by bucket
)
select
  events.model_id,
  max(events.occurred_at) as last_event_at,
  max(events.received_at) as last_arrival_at
from quarters
cross join lateral (
  select model_id, occurred_at, received_at
  from usage_events
  where org_id = $1::uuid
    and occurred_at >= $2::timestamptz
    and occurred_at >= quarters.bucket
    and occurred_at < quarters.bucket + interval '15 minutes'
    and model_id = any(quarters.model_ids)
) as events
group by events.model_id
order by events.model_id collate "C"
