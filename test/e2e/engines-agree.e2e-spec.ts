import type { StorageEngineKind } from '../../src/platform/database/storage-engine';
import { RefreshRollupsCommand } from '../../src/aggregation/commands/refresh-rollups.command';
import { CommandBus } from '@nestjs/cqrs';
import { generate } from '../../src/cli/demo/usage-source';
import { serverOf } from '../support/engines';
import { RunningService } from '../support/running-service';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { ORG_A } from '../support/usage-events';

const ENGINES: readonly StorageEngineKind[] = ['postgres', 'timescale'];
const ORG = `/analytics/v1/orgs/${ORG_A}`;
const EVENTS = 4_000;

const windows = [
  'start=now-6h&end=now&granularity=15min',
  'start=now-24h&end=now&granularity=hour',
  'start=now-5d&end=now&granularity=day',
];
const zones = ['UTC', 'Asia/Kathmandu', 'America/New_York'];
const groupings = [
  '',
  '&groupBy=model',
  '&groupBy=client',
  '&groupBy=model,client',
  '&groupBy=status',
  '&groupBy=model&limit=2',
];

/** Every combination; each is asked of both engines. */
const QUESTIONS = windows.flatMap((window) =>
  zones.flatMap((zone) =>
    groupings.flatMap((grouping) =>
      ['usage', 'reliability'].map((what) => `${what}?${window}&timezone=${zone}${grouping}`),
    ),
  ),
);

// Without TimescaleDB there is nothing to compare; the run's last lines say that its half did not run.
(serverOf('timescale') === undefined ? describe.skip : describe)('the two engines', () => {
  const databases: TestDatabase[] = [];
  const services: RunningService[] = [];

  beforeAll(async () => {
    const { events } = generate(EVENTS, ORG_A, Date.now(), 3);
    for (const engine of ENGINES) {
      const database = await createTestDatabase(engine);
      databases.push(database);
      const service = await RunningService.start({
        DATABASE_URL: database.url,
        STORAGE_ENGINE: engine,
        SERVICE_ROLES: 'api,ingest',
      });
      services.push(service);
      // Three quarters before a refresh and the rest behind it, much of that late; after the second refresh answers
      // join materialised rows, refreshed windows and events that are younger than the watermark.
      for (const part of [events.slice(0, 3_000), events.slice(3_000)]) {
        for (let start = 0; start < part.length; start += 1_000) {
          const { status } = await service.post('/analytics/v1/events', part.slice(start, start + 1_000));
          expect(status).toBe(202);
        }
        await service.app.get(CommandBus).execute(new RefreshRollupsCommand());
      }
    }
  });

  afterAll(async () => {
    for (const service of services) await service.stop();
    for (const database of databases) await database.drop();
  });

  it(`answer ${QUESTIONS.length} questions equally, to the last digit`, async () => {
    const differences: string[] = [];
    let rows = 0;
    for (const question of QUESTIONS) {
      const [postgres, timescale] = await Promise.all(
        services.map((service) => service.get(`${ORG}/${question}`)),
      );
      expect([question, postgres?.status, timescale?.status]).toEqual([question, 200, 200]);
      const answers = [postgres, timescale].map((answer) =>
        JSON.stringify({ series: answer?.body['series'], totals: answer?.body['totals'] }),
      );
      if (answers[0] !== answers[1]) differences.push(`${question}\n  ${answers[0]}\n  ${answers[1]}`);
      rows += (postgres?.body['series'] as unknown[]).length;
    }
    expect(differences).toEqual([]);
    expect(rows).toBeGreaterThan(QUESTIONS.length);
  });

  it('count every event', async () => {
    for (const service of services) {
      const { body } = await service.get(`${ORG}/usage?start=now-7d&end=now&granularity=day`);
      expect(body['totals']).toMatchObject({ requests: EVENTS });
    }
  });
});
