-- A table of the same columns without indexes and triggers, on which a refused batch is halved until the events that
-- the database cannot store are found. Gone at the end of the transaction.
create temporary table usage_events_probe (like usage_events including constraints including defaults)
on commit drop
