-- From when on rollups are kept, as raw_from says it of events. Retention records it before it drops what lies below, and
-- it never moves back: with a longer retention, what was dropped under a shorter one stays gone, and whoever reads must
-- not take it for nothing. What earlier releases have dropped nobody knows any more; -infinity stands for that.
alter table rollup_state
  add column quarter_hours_from timestamptz not null default '-infinity',
  add column hours_from timestamptz not null default '-infinity',
  add column days_from timestamptz not null default '-infinity';
