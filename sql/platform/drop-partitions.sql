-- Drops the partitions of the relation $1 by $2 (day, week or month) that end at or before $3. Column: dropped.
select drop_partitions($1::regclass, $2::text, $3::timestamptz) as dropped
