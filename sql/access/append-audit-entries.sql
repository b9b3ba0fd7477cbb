-- Adds entries to the audit log and moves its end behind them.
-- $1 JSON: a list of objects whose names are the columns, bytes as hexadecimal text
-- $2 sequence and $3 hash of the last of them
with added as (
  insert into audit_log (
    sequence,
    decided_at,
    principal_id,
    principal_kind,
    principal_org_id,
    principal_roles,
    permission,
    method,
    route,
    org_id,
    resource_id,
    decision,
    request_id,
    previous_hash,
    hash
  )
  select
    sequence,
    decided_at,
    principal_id,
    principal_kind,
    principal_org_id,
    principal_roles,
    permission,
    method,
    route,
    org_id,
    resource_id,
    decision,
    request_id,
    decode(previous_hash, 'hex'),
    decode(hash, 'hex')
  from json_to_recordset($1::json) as entry (
    sequence bigint,
    decided_at timestamptz,
    principal_id text,
    principal_kind text,
    principal_org_id uuid,
    principal_roles text[],
    permission text,
    method text,
    route text,
    org_id uuid,
    resource_id text,
    decision text,
    request_id text,
    previous_hash text,
    hash text
  )
)
update audit_head set
  sequence = $2::bigint,
  hash = $3::bytea
