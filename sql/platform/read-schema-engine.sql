-- The engine whose schema the database holds; no row while the first migration has not been committed.
select engine
from storage_engine
