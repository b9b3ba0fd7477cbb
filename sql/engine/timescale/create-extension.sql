-- Needs the extension's files on the server, shared_preload_libraries = timescaledb, and the right to create it.
create extension if not exists timescaledb
