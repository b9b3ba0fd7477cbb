-- Entries of the audit log, newest first.
-- $1 principal, $2 organisation of the path, $3 permission, $4 decision: null for any
-- $5 start and $6 end (exclusive) of when it was decided, or null  $7 sequence to begin before, or null  $8 limit
-- Columns: those of an entry of the answer. Index: audit_log_pkey, audit_log_by_org, audit_log_by_principal.
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
  encode(hash, 'hex') as hash
from audit_log
where ($1::text is null or principal_id = $1::text)
  and ($2::uuid is null or org_id = $2::uuid)
  and ($3::text is null or permission = $3::text)
  and ($4::text is null or decision = $4::text)
  and ($5::timestamptz is null or decided_at >= $5::timestamptz)
  and ($6::timestamptz is null or decided_at < $6::timestamptz)
  and ($7::bigint is null or audit_log.sequence < $7::bigint)
order by audit_log.sequence desc
limit $8::integer
