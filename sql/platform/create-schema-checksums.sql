-- Which text of each migration file was applied; TypeORM keeps only their names.
create table if not exists schema_checksums (
  file text primary key,
  sha256 text not null,
  applied_at timestamptz not null default now()
)
