-- Stores the events of late_usage_events.
-- Not by COPY, as all others: TimescaleDB before 2.15.1 crashes the server when COPY meets compressed chunks (seen with
-- 2.13.1; its changelog, 6540 and 6717), where INSERT also finds the identities that are there.
insert into usage_events (
  occurred_at, org_id, event_id, latency_ms, input_tokens, output_tokens, cached_input_tokens,
  time_to_first_token_ms, latency_bin, status, cost, model_id, client_id, actor_id, error_code, metadata
)
select
  occurred_at, org_id, event_id, latency_ms, input_tokens, output_tokens, cached_input_tokens,
  time_to_first_token_ms, latency_bin, status, cost, model_id, client_id, actor_id, error_code, metadata
from late_usage_events
