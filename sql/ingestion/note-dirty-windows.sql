-- Notes the hours that got late events, in the transaction that stores these.
-- $1 org ids  $2 hours, each pair once  $3 the earliest and  $4 the latest late event of each, by occurrence
-- Index: primary key of dirty_windows.
insert into dirty_windows as noted (org_id, hour, earliest, latest, spanned)
select org_id, hour, earliest, latest, 1
from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[]) as late (org_id, hour, earliest, latest)
order by org_id, hour
on conflict (org_id, hour) do update
set
  generation = noted.generation + 1,
  noted_at = now(),
  earliest = least(noted.earliest, excluded.earliest),
  latest = greatest(noted.latest, excluded.latest),
  spanned = noted.spanned + 1
