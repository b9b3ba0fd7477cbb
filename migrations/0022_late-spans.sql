-- When the late events of a dirty window occurred, so that a refresh computes the buckets that they fall into and not
-- every one of the hour: at 3,000 events a second a quarter of an hour is 2,700,000 events to read again.
--
-- `spanned` counts the notes whose events lie within. A release that does not know of it adds to `generation` alone; then
-- the window is its whole hour, as before.
alter table dirty_windows
  add column earliest timestamptz,
  add column latest timestamptz,
  add column spanned bigint not null default 0;
