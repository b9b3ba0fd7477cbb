-- What the last verification by VERIFY_SCHEDULE has found. One process verifies, every worker exports this: no process
-- tells of an older one, and none that has started since tells of nothing.
create table last_verification (
  singleton boolean primary key default true check (singleton),
  -- Null before the first.
  finished_at timestamptz,
  seconds double precision,
  open_gaps integer,
  -- [{"relation", "against", "differing"}]: how many rows of each layer were not what they should be.
  layers jsonb
);
insert into last_verification default values;

-- Gives both roles, where they exist, exactly what they may do. A relation that a later migration adds is added there.
create or replace function grant_to_roles() returns void
language plpgsql
as $$
declare
  relations constant text[] := array(
    select format('%I', relname)
    from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v') and not relispartition
      and pg_get_userbyid(relowner) = current_user
    order by relname);
  -- Rows that are changed while they live. A lock of a row counts as a change of it.
  changed constant text[] := array[
    'api_keys', 'audit_head', 'budget_alerts', 'data_gaps', 'export_jobs', 'export_schedule', 'ingest_cursors',
    'ingest_ledger', 'last_verification', 'leases', 'dirty_windows', 'quarantined_events', 'reaggregations',
    'replay_requests', 'rollup_state'];
  added constant text[] := array[
    'api_keys', 'audit_log', 'budget_alerts', 'data_gaps', 'dirty_windows', 'export_jobs', 'ingest_batches',
    'ingest_cursors', 'ingest_ledger', 'leases', 'quarantined_events', 'reaggregations', 'replay_requests',
    'usage_event_keys', 'usage_events'];
  removed constant text[] := array['dirty_windows', 'ingest_batches', 'leases'];
  -- Written by the service on plain PostgreSQL; on TimescaleDB only their owner can refresh them.
  computed constant text[] := array(
    select relname::text
    from pg_class
    where relnamespace = current_schema()::regnamespace and relkind = 'p' and not relispartition
      and relname not in ('usage_events', 'usage_event_keys'));
  relation text;
begin
  if to_regrole('usage_analytics_service') is not null then
    execute format('grant usage on schema %I to usage_analytics_service', current_schema());
    foreach relation in array relations loop
      execute format('revoke all on %s from usage_analytics_service', relation);
      execute format('grant select on %s to usage_analytics_service', relation);
    end loop;
    foreach relation in array added || computed loop
      execute format('grant insert on %I to usage_analytics_service', relation);
    end loop;
    foreach relation in array changed || computed loop
      execute format('grant update on %I to usage_analytics_service', relation);
    end loop;
    foreach relation in array removed || computed loop
      execute format('grant delete on %I to usage_analytics_service', relation);
    end loop;
    grant execute on function ensure_partitions(regclass, text, timestamptz, timestamptz) to usage_analytics_service;
    grant execute on function drop_partitions(regclass, text, timestamptz) to usage_analytics_service;
  end if;
  if to_regrole('usage_analytics_reader') is not null then
    execute format('grant usage on schema %I to usage_analytics_reader', current_schema());
    foreach relation in array relations loop
      execute format('revoke all on %s from usage_analytics_reader', relation);
      continue when relation = 'api_keys';
      execute format('grant select on %s to usage_analytics_reader', relation);
    end loop;
    grant select (
      key_id, org_id, name, roles, created_by, created_at, expires_at, revoked_at, revoked_by, last_used_at, replaces
    ) on api_keys to usage_analytics_reader;
  end if;
end
$$;
select grant_to_roles();
