-- Usage of an organisation alone by the quarter of an hour. TimescaleDB keeps it; here a trigger keeps usage_15min at any
-- moment, and it is added up from that.
create view org_usage_15min as
select
  bucket,
  org_id,
  ''::text as model_id,
  ''::text as client_id,
  sum(requests)::bigint as requests,
  sum(successes)::bigint as successes,
  sum(errors)::bigint as errors,
  sum(timeouts)::bigint as timeouts,
  sum(throttled)::bigint as throttled,
  sum(input_tokens)::bigint as input_tokens,
  sum(cached_input_tokens)::bigint as cached_input_tokens,
  sum(output_tokens)::bigint as output_tokens,
  sum(cost) as cost,
  sum(latency_sum_ms)::bigint as latency_sum_ms,
  max(latency_max_ms) as latency_max_ms
from usage_15min
group by 1, 2;

select grant_to_roles();
