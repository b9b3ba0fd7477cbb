-- $1 the engine. Runs in the transaction of every migration: the first one decides, the rest change nothing.
insert into storage_engine (engine)
values ($1::text)
on conflict (singleton) do nothing
