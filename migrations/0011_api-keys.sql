-- API keys that are made by API. Those of the configuration (API_KEYS) are not here.

create table api_keys (
  -- The middle of ak_<key_id>_<secret>.
  key_id text primary key check (key_id ~ '^[A-Za-z0-9]{4,40}$'),
  -- Null: the platform's own.
  org_id uuid,
  name text not null check (char_length(name) between 1 and 200),
  roles text[] not null check (cardinality(roles) > 0),
  -- SHA-256 of the secret; the secret itself is shown once and kept nowhere.
  secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
  created_by text not null,
  created_at timestamptz not null,
  -- Null: never. Rotation sets it on the key that is replaced.
  expires_at timestamptz,
  revoked_at timestamptz,
  revoked_by text,
  -- Written at most once a minute by each process.
  last_used_at timestamptz,
  -- The key that this one takes the place of; a key is replaced once, so that two are alive at most.
  replaces text unique references api_keys,

  check ((revoked_at is null) = (revoked_by is null))
);
create index api_keys_by_org on api_keys (org_id, created_at desc, key_id desc);
