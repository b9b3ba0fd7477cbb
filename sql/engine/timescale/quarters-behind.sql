-- From where on org_usage_15min may lack what usage_15min holds.
-- $1 from where on single events are kept, or null
-- Column: start, null when nothing can be lacking. Before the first mark all of it: what lies below $1 changes no more.
select
  case
    when quarters_through = '-infinity' then (select min(bucket) from usage_15min_materialized)
    else coalesce($1::timestamptz, (select min(bucket) from usage_15min_materialized))
  end as start
from rollup_state
