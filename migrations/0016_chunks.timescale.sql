-- Chunks have the rights of their hypertable, so whoever may read events could read a chunk by its own name, past
-- every view. Nobody needs that: TimescaleDB itself finds chunks without their names. Only the owner of the extension
-- can close the schema; where that is somebody else, docs/security.md has the statements.
do $$
begin
  if pg_has_role(current_user, (select nspowner from pg_namespace where nspname = '_timescaledb_internal'), 'usage') then
    revoke usage on schema _timescaledb_internal from public;
  else
    raise notice 'Chunks can still be read by their names: the extension belongs to another role.';
  end if;
end
$$;
