-- Entries of the audit log in their order, to be verified.
-- $1 sequence to begin after  $2 limit
-- Columns: those of audit_log. Index: audit_log_pkey.
select
  sequence::text as sequence,
  decided_at as "decidedAt",
  principal_id as "principalId",
  principal_kind as "principalKind",
  principal_org_id as "principalOrgId",
  principal_roles as "principalRoles",
  permission,
  method,
  route,
  org_id as "orgId",
  resource_id as "resourceId",
  decision,
  request_id as "requestId",
  previous_hash as "previousHash",
  hash
from audit_log
where sequence > $1::bigint
order by audit_log.sequence
limit $2::integer
