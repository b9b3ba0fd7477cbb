-- timescale or apache; null while the extension's library is not loaded.
select current_setting('timescaledb.license', true) as licence
