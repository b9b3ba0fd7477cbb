-- Who was let in where, and who was not: every decision on exports, administration, keys and reads across
-- organisations. Each row holds the hash of the row before it, so that a row that was edited, removed or moved shows.

create table audit_log (
  -- 1, 2, 3 and so on, without gaps.
  sequence bigint primary key check (sequence > 0),
  -- Whole milliseconds: what is hashed is what is read back.
  decided_at timestamptz not null check (date_trunc('milliseconds', decided_at) = decided_at),
  principal_id text not null,
  principal_kind text not null check (principal_kind in ('jwt', 'api-key')),
  -- Null: the platform's own.
  principal_org_id uuid,
  principal_roles text[] not null,
  -- Null: the route grants nothing to anyone.
  permission text,
  method text not null,
  -- The route, not the path: organisations and ids stand in columns of their own.
  route text not null,
  -- Of the path, in lower case; null where it names none, or no UUID.
  org_id uuid,
  -- What else the path names, such as an export or a key.
  resource_id text,
  decision text not null check (decision in ('granted', 'refused')),
  request_id text not null,
  previous_hash bytea not null check (octet_length(previous_hash) = 32),
  -- SHA-256 of previous_hash and the columns above; how exactly stands in src/access/audit/audit-chain.ts.
  hash bytea not null check (octet_length(hash) = 32)
);
create index audit_log_by_org on audit_log (org_id, sequence desc);
create index audit_log_by_principal on audit_log (principal_id, sequence desc);

-- Where the chain ends. Its row is locked while entries are added, which puts them in order.
create table audit_head (
  singleton boolean primary key default true check (singleton),
  sequence bigint not null,
  hash bytea not null check (octet_length(hash) = 32)
);
insert into audit_head (sequence, hash) values (0, decode(repeat('00', 32), 'hex'));

create function refuse_change_of_audit_log() returns trigger language plpgsql as $$
begin
  raise exception 'The audit log is append-only.' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete or truncate on audit_log
for each statement execute function refuse_change_of_audit_log();
