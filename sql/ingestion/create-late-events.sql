-- A table of the same columns, through which events reach days that may be compressed. Gone at the end of the
-- transaction.
create temporary table late_usage_events (like usage_events including defaults)
on commit drop
