-- Makes the missing partitions of the relation $1 by $2 (day, week or month) that cover [$3, $4). Column: made.
select ensure_partitions($1::regclass, $2::text, $3::timestamptz, $4::timestamptz) as made
