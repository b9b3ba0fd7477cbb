-- Drops the chunks of a hypertable or continuous aggregate that end at or before $1. Column: dropped, a chunk's name.
select drop_chunks(':relation', older_than => $1::timestamptz) as dropped
