import { cpus, totalmem } from 'node:os';

/** As the README recommends for production; durability is on. */
export const INGESTION_SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  wal_compression: 'lz4',
  // What a batch has written is flushed while it goes on, not all of it at its commit.
  wal_writer_delay: '10ms',
  wal_writer_flush_after: '256kB',
};

/** What every figure depends on, printed and kept beside it. */
export interface Environment {
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly node: string;
}

export function environment(): Environment {
  return {
    cpu: `${cpus().length} x ${cpus()[0]?.model}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
}

export function describeEnvironment(): string {
  const { cpu, memoryGiB, node } = environment();
  return `${cpu}, ${memoryGiB} GiB, Node.js ${node}`;
}
