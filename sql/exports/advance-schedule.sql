-- $1 instant up to which the schedule was carried out; it never moves back.
update export_schedule
set fired_through = greatest(fired_through, $1::timestamptz)
