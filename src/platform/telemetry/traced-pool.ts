import { context, SpanKind, trace } from '@opentelemetry/api';
import type { Pool, PoolClient } from 'pg';
import { beginSpan, inSpan, noteFailure } from './tracing';

type Query = (...parameters: unknown[]) => unknown;
const traced = new WeakSet<PoolClient>();

/**
 * Every statement that runs inside a span gets one of its own, named after its file in `sql/` or its first word; never
 * its text or values. Work that callers do on a client they were lent is traced on that client, because a pool that is
 * busy answers in somebody else's context.
 */
export function tracePool(pool: Pool): void {
  const query = pool.query.bind(pool) as Query;
  const connect = pool.connect.bind(pool);
  pool.query = ((...parameters: unknown[]) => withSpan(query, parameters)) as Pool['query'];
  pool.connect = ((...parameters: unknown[]) => {
    // The pool itself asks with a callback, for its own `query`, which has its span already.
    if (parameters.length > 0) return (connect as unknown as Query)(...parameters);
    return connect().then((client) => tracedClient(client));
  }) as Pool['connect'];
}

function tracedClient(client: PoolClient): PoolClient {
  if (traced.has(client)) return client;
  traced.add(client);
  const query = client.query.bind(client) as Query;
  client.query = ((...parameters: unknown[]) => withSpan(query, parameters)) as PoolClient['query'];
  return client;
}

function withSpan(query: Query, parameters: unknown[]): unknown {
  const isOwn = typeof parameters.at(-1) !== 'function' && trace.getSpan(context.active()) !== undefined;
  if (!isOwn) return query(...parameters);
  const [first] = parameters;
  const description = {
    name: nameOf(first),
    kind: SpanKind.CLIENT,
    attributes: { 'db.system.name': 'postgresql' },
  };
  if (!isStream(first)) return inSpan(description, () => query(...parameters) as Promise<unknown>);
  const span = beginSpan(description);
  const end = (): void => {
    if (span.isRecording()) span.end();
  };
  first.once('error', (error) => {
    noteFailure(span, error);
    end();
  });
  // A cursor that is given up says only that it is closed.
  for (const last of ['end', 'close']) first.once(last, end);
  return query(...parameters);
}

function nameOf(statement: unknown): string {
  const { name, text } = (typeof statement === 'string' ? { text: statement } : statement) as {
    name?: string;
    text?: string;
  };
  const [word] = /[a-z]+/i.exec((text ?? '').replaceAll(/--.*$/gm, '')) ?? [];
  return name ?? word?.toLowerCase() ?? 'statement';
}

/** COPY and cursors: they are handed in as objects of their own and answer by their events. */
function isStream(statement: unknown): statement is NodeJS.EventEmitter {
  return typeof statement === 'object' && statement !== null && 'submit' in statement && 'once' in statement;
}
