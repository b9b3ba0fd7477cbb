-- Native partitions, made ahead of time and dropped behind it. All bounds are UTC.

create table storage_engine (
  singleton boolean primary key default true check (singleton),
  engine text not null check (engine in ('timescale', 'postgres')),
  installed_at timestamptz not null default now()
);

-- Makes the missing partitions of `parent` that cover [lower, upper); `unit` is day, week or month.
-- Returns how many were made. Attaching takes no lock that stops readers or writers of the parent.
create function ensure_partitions(parent regclass, unit text, lower timestamptz, upper timestamptz)
returns integer
language plpgsql
as $$
declare
  step constant interval := ('1 ' || unit)::interval;
  starts_at timestamptz := date_trunc(unit, lower, 'UTC');
  ends_at timestamptz;
  partition_name text;
  made integer := 0;
begin
  while starts_at < upper loop
    ends_at := (starts_at at time zone 'UTC' + step) at time zone 'UTC';
    partition_name := parent::text || '_p' || to_char(starts_at at time zone 'UTC', 'YYYYMMDD');
    if to_regclass(partition_name) is null then
      -- Two replicas may arrive here at once: the second waits and then finds the partition. An advisory lock would
      -- not do, because waiting for it does not tell the session of tables made meanwhile.
      execute format('lock table %s in share update exclusive mode', parent);
      if to_regclass(partition_name) is null then
        execute format('create table %I (like %s including all)', partition_name, parent);
        execute format(
          'alter table %s attach partition %I for values from (%L) to (%L)',
          parent, partition_name,
          to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD"T00:00:00Z"'),
          to_char(ends_at at time zone 'UTC', 'YYYY-MM-DD"T00:00:00Z"'));
        made := made + 1;
      end if;
    end if;
    starts_at := ends_at;
  end loop;
  return made;
end
$$;

-- Drops the partitions of `parent` that end at or before `horizon`. Returns how many were dropped.
create function drop_partitions(parent regclass, unit text, horizon timestamptz)
returns integer
language plpgsql
as $$
declare
  step constant interval := ('1 ' || unit)::interval;
  victim record;
  dropped integer := 0;
begin
  for victim in
    select child.oid::regclass as name, right(child.relname, 8) as starts_on
    from pg_inherits
    join pg_class as child on child.oid = pg_inherits.inhrelid
    where pg_inherits.inhparent = parent
  loop
    -- Not a condition of the query: that might be evaluated for relations of other names.
    continue when (to_timestamp(victim.starts_on || ' 00 +00', 'YYYYMMDD HH24 TZH') at time zone 'UTC' + step)
                  at time zone 'UTC' > horizon;
    execute format('drop table %s', victim.name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end
$$;
