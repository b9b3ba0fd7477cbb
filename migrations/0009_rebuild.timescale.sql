-- Makes TimescaleDB take the buckets of a rollup within [lower, upper) for changed, so that the next refresh computes
-- them again whatever they hold. A refresh only computes what it knows to have changed, and up to 2.17 nothing can tell
-- it otherwise. So a row is added at either end of the range in the source of the rollup and removed again in the same
-- transaction: nobody sees it, and TimescaleDB notes the range between (tried with 2.13.1, compressed chunks included).
create function note_as_changed(rollup text, lower timestamptz, upper timestamptz)
returns void
language plpgsql
as $$
declare
  nobody constant uuid := gen_random_uuid();
  ends constant timestamptz[] := array[lower, upper - interval '1 microsecond'];
  source text;
  source_name text;
begin
  select format('%I.%I', hypertable_schema, hypertable_name), hypertable_name
  into strict source, source_name
  from timescaledb_information.continuous_aggregates
  where view_name = rollup;
  if source_name = 'usage_events' then
    insert into usage_events (
      occurred_at, org_id, event_id, latency_ms, input_tokens, output_tokens, latency_bin, status, cost, model_id,
      client_id
    )
    select occurred_at, nobody, gen_random_uuid(), 0, 0, 0, 0, 'success', 0, '', ''
    from unnest(ends) as at (occurred_at);
    delete from usage_events
    where org_id = nobody and occurred_at = any(ends);
  else
    execute format('insert into %s (bucket, org_id) select bucket, $1 from unnest($2) as at (bucket)', source)
    using nobody, ends;
    execute format('delete from %s where org_id = $1 and bucket = any($2)', source)
    using nobody, ends;
  end if;
end
$$;
