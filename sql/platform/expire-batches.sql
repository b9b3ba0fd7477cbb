-- Drops rows of the batch ledger that were committed before $1. Index: ingest_batches_by_time.
delete from ingest_batches
where committed_at < $1::timestamptz
