-- The applied migration files with the SHA-256 of their text, in hexadecimal.
select file, sha256
from schema_checksums
