import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { ServiceProcess } from '../../src/cli/service-process';
import { events, STANDARD_LOAD } from '../../src/cli/bench/load-shape';
import { seededRandom } from '../../src/cli/demo/seeded-random';
import { describeEachEngine } from '../support/engines';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { createTestVhost, type TestVhost } from '../support/test-vhost';

/** The long run: FAULT_EVENTS=200000 FAULT_KILLS=20 npm test -- killed-service */
const EVENTS = Number(process.env['FAULT_EVENTS'] ?? 40_000);
const KILLS = Number(process.env['FAULT_KILLS'] ?? 5);
const DUPLICATE_SHARE = 0.05;
const POISON_SHARE = 0.01;

/** What was published, kept outside the system: the other side of every comparison. */
interface Journal {
  readonly eventIds: Set<string>;
  messages: number;
  poison: number;
  duplicates: number;
  inputTokens: bigint;
}

describeEachEngine('a service that is killed again and again', (engine) => {
  let database: TestDatabase;
  let vhost: TestVhost;
  let directory: string;

  beforeAll(async () => {
    [database, vhost] = await Promise.all([createTestDatabase(engine), createTestVhost()]);
    directory = mkdtempSync(join(tmpdir(), 'killed-service-'));
  });

  afterAll(async () => {
    await Promise.allSettled([database.drop(), vhost.drop()]);
    rmSync(directory, { recursive: true });
  });

  function start(): Promise<ServiceProcess> {
    return ServiceProcess.start(
      {
        NODE_ENV: 'development',
        DATA_DIR: directory,
        DATABASE_URL: database.url,
        STORAGE_ENGINE: engine,
        AMQP_URL: vhost.url,
        // One engine reads by the stream protocol, the other over AMQP 0-9-1.
        ...(engine === 'timescale' && { AMQP_STREAM_PORT: String(vhost.streamPort) }),
        INGEST_LEASE: '1s',
        ROLLUP_REFRESH_INTERVAL: '1s',
        LOG_LEVEL: 'warn',
      },
      join(directory, 'service.log'),
    );
  }

  async function publish(journal: Journal): Promise<void> {
    const connection = await connect(vhost.url);
    const channel = await connection.createConfirmChannel();
    const random = seededRandom(7);
    const send = (body: Buffer, orgId: string) => {
      channel.publish('analytics.usage', `usage.${orgId}`, body, { persistent: true });
      journal.messages += 1;
    };
    for (const event of events(EVENTS, STANDARD_LOAD)) {
      const body = Buffer.from(JSON.stringify(event));
      send(body, event.orgId);
      journal.eventIds.add(event.eventId);
      journal.inputTokens += BigInt(event.inputTokens);
      if (random() < DUPLICATE_SHARE) {
        send(body, event.orgId);
        journal.duplicates += 1;
      }
      if (random() < POISON_SHARE) {
        send(Buffer.from('{"poison":'), event.orgId);
        journal.poison += 1;
      }
      if (journal.eventIds.size % 2_000 === 0) await channel.waitForConfirms();
    }
    await channel.waitForConfirms();
    await connection.close();
  }

  async function count(query: string): Promise<Record<string, string>> {
    const { rows } = await database.pool.query<Record<string, string>>(query);
    return rows[0] ?? {};
  }

  async function caughtUp(messages: number): Promise<void> {
    for (let seen = '', seenAt = Date.now(); ; await sleep(200)) {
      const { next_offset: offset = '0' } = await count(
        'select next_offset from ingest_cursors where partition = 0',
      );
      const { messages: committed } = await count('select sum(messages) as messages from ingest_batches');
      if (Number(committed) >= messages) return;
      if (offset !== seen) [seen, seenAt] = [offset, Date.now()];
      if (Date.now() - seenAt > 60_000)
        throw new Error(`Stuck at offset ${offset}: ${committed} of ${messages} messages`);
    }
  }

  async function facts(): Promise<Record<string, string>> {
    return {
      ...(await count('select count(*) as stored, count(distinct event_id) as distinct_stored, sum(input_tokens) as input_tokens from usage_events')),
      ...(await count("select count(*) as poison from quarantined_events where reason = 'not_json'")),
      ...(await count('select sum(requests) as in_15min, sum(input_tokens) as tokens_15min from usage_15min')),
      ...(await count('select sum(requests) as in_hourly from usage_hourly')),
      ...(await count('select sum(requests) as in_daily, sum(input_tokens) as tokens_daily from usage_daily')),
      ...(await count('select sum(requests) as in_sketch from latency_hourly')),
      ...(await count('select sum(requests) as in_daily_sketch from latency_daily')),
      ...(await count('select sum(stored) as ledger_stored from ingest_ledger')),
    }; // prettier-ignore
  }

  it(`stores ${EVENTS} events once each although it is killed ${KILLS} times`, async () => {
    const journal: Journal = { eventIds: new Set(), messages: 0, poison: 0, duplicates: 0, inputTokens: 0n };
    let service = await start();
    await service.ready();
    const publishing = publish(journal);
    const random = seededRandom(11);
    let commits = '0';
    for (let kill = 0; kill < KILLS; kill += 1) {
      await sleep(50 + random() * 400);
      await service.kill();
      service = await start();
      // Each life must get some work done, or the kills would only ever hit the start.
      for (let waited = 0; waited < 100; waited += 1) {
        const { batches = '0' } = await count('select count(*) as batches from ingest_batches');
        if (batches !== commits) {
          commits = batches;
          break;
        }
        await sleep(100);
      }
    }
    await publishing;
    await caughtUp(journal.messages);

    const expected = {
      stored: String(EVENTS),
      distinct_stored: String(EVENTS),
      input_tokens: String(journal.inputTokens),
      poison: String(journal.poison),
      in_15min: String(EVENTS),
      tokens_15min: String(journal.inputTokens),
      in_hourly: String(EVENTS),
      in_daily: String(EVENTS),
      tokens_daily: String(journal.inputTokens),
      in_sketch: String(EVENTS),
      in_daily_sketch: String(EVENTS),
      ledger_stored: String(EVENTS),
    };
    expect(await facts()).toEqual(expected);
    expect(
      await count('select sum(received) as received, sum(duplicates) as duplicates, sum(conflicts) as conflicts, sum(quarantined) as quarantined from ingest_batches'),
    ).toEqual({
      received: String(journal.messages),
      duplicates: String(journal.duplicates),
      conflicts: '0',
      quarantined: String(journal.poison),
    }); // prettier-ignore

    // Reading the whole stream again changes nothing.
    await service.stop();
    await database.pool.query('update ingest_cursors set next_offset = 0, last_message_hash = null');
    service = await start();
    await caughtUp(2 * journal.messages);
    await service.stop();
    const replayed = await facts();
    expect(replayed).toEqual(expected);
  });
});
