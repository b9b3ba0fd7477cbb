-- What decides which engine the database can have.
-- Columns: server_version (150014 is 15.14), timescale_version (created here, else on offer, else null), has_schema.
select
  current_setting('server_version_num')::integer as server_version,
  coalesce(installed_version, default_version) as timescale_version,
  to_regclass('storage_engine') is not null as has_schema
from (values (1)) as one_row (place)
left join pg_available_extensions on name = 'timescaledb'
