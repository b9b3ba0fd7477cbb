import { randomUUID } from 'node:crypto';
import { DAY_MS, HOUR_MS } from '../../src/shared/time-zone';
import { describeEachEngine } from '../support/engines';
import { ownPartition, type Stream } from '../support/owned-partition';
import { createTestDatabase, type TestDatabase } from '../support/test-database';
import { startTrial, type TrialService } from '../support/trial-service';
import { ORG_A, ORG_B, usageEvent } from '../support/usage-events';

const NOW = new Date('2026-11-18T10:23:45.000Z');
const TODAY = Date.UTC(2026, 10, 18);
const onTime = new Date(TODAY - HOUR_MS).toISOString();

describeEachEngine('receipts', (kind) => {
  let database: TestDatabase;
  let service: TrialService;
  let stream: Stream;

  beforeEach(async () => {
    database = await createTestDatabase(kind);
    service = await startTrial(database, { now: NOW });
    stream = await ownPartition(database, service);
  });
  afterEach(async () => {
    await service?.close();
    await database?.drop();
  });

  const receipt = (eventId: string) => service.send('GET', `/orgs/${ORG_A}/events/${eventId}`);

  it('tell of a stored event what is stored, and that it is counted', async () => {
    const event = usageEvent({ occurredAt: onTime, clientId: 'c', metadata: { team: 'x' } });
    await stream(event, { ...event, outputTokens: 1 });
    const { status, body } = await receipt(event.eventId.toUpperCase());
    expect(status).toBe(200);
    expect(body).toMatchObject({
      orgId: ORG_A,
      eventId: event.eventId,
      state: 'stored',
      event: {
        occurredAt: onTime,
        cost: '0.0012345',
        clientId: 'c',
        metadata: { team: 'x' },
        counted: true,
      },
      quarantine: [{ reason: 'conflict', state: 'open' }],
    });
    await service.refresh();
    const late = usageEvent({ occurredAt: onTime });
    await stream(late);
    expect((await receipt(late.eventId)).body.event.counted).toBe(false);
    await service.refresh();
    expect((await receipt(late.eventId)).body.event.counted).toBe(true);
  });

  it('find an event whose id tells when it was made, also when that is wrong', async () => {
    const v7 = (instant: number) => {
      const time = instant.toString(16).padStart(12, '0');
      return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${randomUUID().slice(-12)}`;
    };
    const ids = [TODAY - HOUR_MS, TODAY - 300 * DAY_MS].map(v7);
    await stream(...ids.map((eventId) => usageEvent({ eventId, occurredAt: onTime })));
    for (const id of ids) expect((await receipt(id)).body.state).toBe('stored');
  });

  it('tell of a quarantined event why, and what became of it', async () => {
    const event = usageEvent({ occurredAt: onTime, inputTokens: -1 });
    await stream(event);
    const { body } = await receipt(event.eventId);
    expect(body).toMatchObject({ state: 'quarantined', event: null });
    const [{ quarantineId }] = body.quarantine;
    const path = `/orgs/${ORG_A}/quarantine/${quarantineId}/replay`;
    await service.send('POST', path, { payload: { ...event, inputTokens: 1 } });
    expect((await receipt(event.eventId)).body).toMatchObject({
      state: 'stored',
      quarantine: [{ state: 'replayed', replayOutcome: 'stored', reviewedBy: 'reader' }],
    });
  });

  it('know no event of another organisation, nor one that never came', async () => {
    const event = usageEvent({ orgId: ORG_B, occurredAt: onTime });
    await stream(event);
    const [foreign, unknown] = [await receipt(event.eventId), await receipt(randomUUID())];
    expect([foreign.status, foreign.body]).toEqual([404, unknown.body]);
    expect((await receipt('7')).body.errors).toEqual([{ parameter: 'eventId', detail: 'must be a UUID.' }]);
  });
});
