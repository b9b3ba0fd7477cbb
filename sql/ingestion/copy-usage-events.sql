-- Stores events, or tries whether they can be stored; the lines come from shared/usage-event in this order of columns.
copy :relation (
  occurred_at, org_id, event_id, latency_ms, input_tokens, output_tokens, cached_input_tokens,
  time_to_first_token_ms, latency_bin, status, cost, model_id, client_id, actor_id, error_code, metadata
) from stdin
