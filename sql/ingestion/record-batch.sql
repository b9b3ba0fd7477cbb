-- The ledger row of one batch.
-- $1 partition  $2 epoch  $3 source  $4 first offset  $5 last offset  $6 messages
-- $7 stored  $8 duplicates  $9 conflicts  $10 quarantined  $11 unknown fields  $12 late
insert into ingest_batches (
  partition, epoch, source, first_offset, last_offset, messages,
  received, stored, duplicates, conflicts, quarantined, unknown_fields, late
)
values (
  $1::smallint, $2::bigint, $3::text, $4::bigint, $5::bigint, $6::integer,
  $7::integer + $8::integer + $9::integer + $10::integer,
  $7::integer, $8::integer, $9::integer, $10::integer, $11::integer, $12::integer
)
