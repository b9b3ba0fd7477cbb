-- Compresses the chunk named $1. Column: chunk.
select compress_chunk($1::text::regclass, if_not_compressed => true) as chunk
