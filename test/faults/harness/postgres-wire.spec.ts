import { asks, copies, isOfIngestPool, PostgresWire, tellsCommit, type WireMessage } from './postgres-wire';

function message(type: string, content: string | Buffer): Buffer {
  const body = Buffer.from(content);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), head, body]);
}

const STARTUP = message('', '\0\x03\0\0user\0tester\0application_name\0usage-analytics ingest\0\0');
const SAID = Buffer.concat([
  STARTUP,
  message('Q', 'begin\0'),
  message('P', 'a-name\0update ingest_cursors set committed_at = now()\0\0\0'),
  message('d', Buffer.alloc(100_000, 'x')),
  message('c', ''),
  message('Q', 'COMMIT\0'),
]);

function summary(messages: WireMessage[]): string[] {
  return messages.map((each) => {
    if (isOfIngestPool(each)) return 'ingest';
    if (asks(each, 'begin')) return 'begin';
    if (copies(each)) return 'rows';
    if (asks(each, 'commit')) return 'commit';
    if (tellsCommit(each)) return 'committed';
    return 'other';
  });
}

describe('the messages of a PostgreSQL connection', () => {
  const EXPECTED = ['ingest', 'begin', 'other', 'rows', 'other', 'commit'];

  it('are recognised in one piece', () => {
    const messages = new PostgresWire().read(SAID, 'fromClients');
    expect(summary(messages)).toEqual(EXPECTED);
    expect(messages.at(-1)?.start).toBe(SAID.length - message('Q', 'COMMIT\0').length);
  });

  it.each([1, 2, 3, 7, 64, 4_096])('are recognised in pieces of %d bytes', (size) => {
    const wire = new PostgresWire();
    const messages: WireMessage[] = [];
    for (let at = 0; at < SAID.length; at += size) {
      messages.push(...wire.read(SAID.subarray(at, at + size), 'fromClients'));
    }
    expect(summary(messages)).toEqual(EXPECTED);
  });

  it('tell a commit only when the server does', () => {
    const tag = message('C', 'COMMIT\0');
    expect(summary(new PostgresWire().read(tag, 'fromServer'))).toEqual(['committed']);
    expect(summary(new PostgresWire().read(message('C', 'ROLLBACK\0'), 'fromServer'))).toEqual(['other']);
  });
});
