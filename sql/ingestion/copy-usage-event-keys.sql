-- Claims identities: org_id, event_id, payload_hash and day of arrival, each identity once and in the order of the
-- key, so that two writers of the same identities cannot deadlock. A second writer of one fails with 23505: its batch
-- is repeated and finds the key. COPY, because an INSERT takes twice the time for the same rows (6.8 µs against 2.9);
-- binary, because parsing seven UUIDs an event as text takes some 2 µs.
copy usage_event_keys (org_id, event_id, payload_hash, arrived_on) from stdin with (format binary)
