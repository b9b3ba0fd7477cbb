-- First statement of a transaction whose statements are to see the same committed data.
set transaction isolation level repeatable read, read only
