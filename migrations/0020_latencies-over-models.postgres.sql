-- Latencies over all models, of an organisation and of the platform. TimescaleDB keeps them; here they are added up from
-- every model's.
create view org_latency_hourly as
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from latency_hourly
group by 1, 2, 4;

create view org_latency_daily as
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from latency_daily
group by 1, 2, 4;

create view platform_latency_hourly as
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from model_latency_hourly
group by 1, 2, 4;

create view platform_latency_daily as
select bucket, org_id, ''::text as model_id, latency_bin, sum(requests)::bigint as requests
from model_latency_daily
group by 1, 2, 4;

select grant_to_roles();
