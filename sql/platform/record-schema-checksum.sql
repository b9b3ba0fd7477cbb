-- $1 file name  $2 SHA-256 of its text in hexadecimal. Runs in the transaction that applies the file.
insert into schema_checksums (file, sha256)
values ($1::text, $2::text)
