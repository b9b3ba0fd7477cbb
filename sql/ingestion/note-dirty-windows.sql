-- Notes the closed hours that got late events, in the transaction that stores these.
-- $1 org ids  $2 hours, each pair once. Index: primary key of dirty_windows.
insert into dirty_windows as noted (org_id, hour)
select org_id, hour
from unnest($1::uuid[], $2::timestamptz[]) as late (org_id, hour)
order by org_id, hour
on conflict (org_id, hour) do update
set
  generation = noted.generation + 1,
  noted_at = now()
