-- Adds the export of a month for every organisation with usage in it that does not have it yet.
-- $1 start  $2 end  $3 name of the month  $4 time zone  $5 granularity  $6 format  $7 FOCUS version or null
-- $8 SHA-256 of the request
-- Days of UTC that touch the month find the organisations quickly; the finer relation decides.
-- Index: usage_*_by_org; export_jobs_by_schedule.
insert into export_jobs (
  org_id,
  window_start,
  window_end,
  scheduled_for,
  time_zone,
  granularity,
  format,
  focus_version,
  request_hash,
  requested_by
)
select
  org.org_id,
  $1::timestamptz,
  $2::timestamptz,
  $3::text,
  $4::text,
  $5::text,
  $6::text,
  $7::text,
  $8::bytea,
  'schedule'
from (
  select distinct usage_daily.org_id
  from usage_daily
  where usage_daily.bucket >= date_trunc('day', $1::timestamptz, 'UTC')
    and usage_daily.bucket < $2::timestamptz
) as org
where exists (
  select from :relation as usage
  where usage.org_id = org.org_id
    and usage.bucket >= $1::timestamptz
    and usage.bucket < $2::timestamptz
)
on conflict (org_id, scheduled_for) where scheduled_for is not null do nothing
