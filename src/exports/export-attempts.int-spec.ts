import { eventually } from '../../test/support/eventually';
import {
  ExportTrial,
  exportsOf,
  LAST_WEEK,
  LEASE_MS,
  ORG_A,
  ORG_B,
  REQUEST,
} from '../../test/support/export-trial';
import { attemptFolder } from './artifacts/artifact-key';
import { ArtifactStoreError } from './artifacts/artifact-store';
import type { Claim } from './export-jobs.repository';

describe('export jobs', () => {
  let trial: ExportTrial;

  beforeAll(async () => {
    trial = await ExportTrial.start();
  });
  afterAll(() => trial?.stop());
  beforeEach(() => trial.clear());

  describe('cancelled', () => {
    it('are never written', async () => {
      const jobId = await trial.requested();
      const cancel = () => trial.exporting.send('DELETE', `${exportsOf(ORG_A)}/${jobId}`, { key: 'finance' });
      expect((await cancel()).body.state).toBe('cancelled');
      expect((await cancel()).body.state).toBe('cancelled');
      expect(await trial.exporting.worker.work(jobId)).toBe(false);
      expect((await trial.get(jobId, '/download')).status).toBe(410);
    });

    it('while they are written leave nothing behind', async () => {
      const jobId = await trial.requested();
      trial.store.before = (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      const written = trial.exporting.worker.work(jobId);
      await eventually(async () => expect((await trial.get(jobId)).body.state).toBe('running'));
      await trial.exporting.send('DELETE', `${exportsOf(ORG_A)}/${jobId}`, { key: 'finance' });
      await written;
      expect((await trial.get(jobId)).body.state).toBe('cancelled');
      expect(trial.store.of(jobId)).toEqual([]);
    });

    it('too late are 409', async () => {
      const jobId = await trial.requested();
      await trial.exporting.write(ORG_A, jobId);
      expect((await trial.exporting.send('DELETE', `${exportsOf(ORG_A)}/${jobId}`)).status).toBe(409);
    });
  });

  describe('that fail', () => {
    it('are tried again, and succeed when the store does', async () => {
      const jobId = await trial.requested();
      trial.store.before = () => Promise.reject(new ArtifactStoreError('The artifact store is away.'));
      await trial.exporting.worker.work(jobId);
      expect((await trial.get(jobId)).body).toMatchObject({
        state: 'pending',
        attempt: 1,
        failure: 'The artifact store is away.',
      });
      trial.store.before = async () => undefined;
      await eventually(() => trial.exporting.write(ORG_A, jobId));
      expect((await trial.get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2, failure: null });
      expect(trial.store.of(jobId).sort()).toEqual([
        expect.stringMatching(/^2\/manifest/),
        expect.stringMatching(/^2\/usage/),
      ]);
    });

    it('are given up with a reason after EXPORT_MAX_ATTEMPTS', async () => {
      const jobId = await trial.requested();
      trial.store.before = () => Promise.reject(new ArtifactStoreError('The artifact store is away.'));
      await eventually(async () => {
        await trial.exporting.worker.work(jobId);
        expect((await trial.get(jobId)).body.state).toBe('failed');
      });
      expect((await trial.get(jobId)).body).toMatchObject({
        attempt: 3,
        failure: 'The artifact store is away.',
      });
      expect((await trial.get(jobId, '/download')).status).toBe(410);
      expect(await trial.exporting.worker.work(jobId)).toBe(false);
    });

    it('wait longer each time', async () => {
      const jobId = await trial.requested();
      const claim = (await trial.exporting.jobs.claim('w', jobId)) as Claim;
      await trial.exporting.jobs.fail(claim, 'x', 60_000);
      expect(await trial.exporting.jobs.claim('w', jobId)).toBeUndefined();
      await trial.age(jobId, 'available_at', 60_000);
      expect((await trial.exporting.jobs.claim('w', jobId))?.attempt).toBe(2);
    });

    it('because a manifest could not be stored have no file', async () => {
      const jobId = await trial.requested();
      trial.store.before = (key) =>
        key.endsWith('manifest.json') ? Promise.reject(new ArtifactStoreError('No.')) : Promise.resolve();
      await trial.exporting.worker.work(jobId);
      expect((await trial.get(jobId)).body.state).toBe('pending');
      expect((await trial.get(jobId, '/download')).status).toBe(409);
      expect(trial.store.of(jobId)).toEqual([]);
    });

    it('because the store kept less than was written have no file', async () => {
      const jobId = await trial.requested();
      const sizeOf = jest.spyOn(trial.store, 'sizeOf').mockResolvedValue(5);
      await trial.exporting.worker.work(jobId);
      sizeOf.mockRestore();
      expect((await trial.get(jobId)).body).toMatchObject({
        state: 'pending',
        failure: expect.stringMatching(/kept 5 of the \d+ bytes/),
      });
    });
  });

  describe('whose worker', () => {
    it('is alive are nobody else’s', async () => {
      const jobId = await trial.requested();
      let release: () => void = () => undefined;
      trial.store.before = (key) =>
        key.endsWith('.csv') ? new Promise((go) => (release = go)) : Promise.resolve();
      const written = trial.exporting.worker.work(jobId);
      await eventually(async () => expect((await trial.get(jobId)).body.state).toBe('running'));
      // Longer than the lease: heartbeats keep it.
      for (let waited = 0; waited < 1.5 * LEASE_MS; waited += 100) {
        expect(await trial.exporting.jobs.claim('another', jobId)).toBeUndefined();
        await new Promise((resume) => setTimeout(resume, 100));
      }
      release();
      await written;
      expect((await trial.get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 1 });
    });

    it('has died are taken over, with the next attempt', async () => {
      const jobId = await trial.requested();
      const dead = (await trial.exporting.jobs.claim('dead', jobId)) as Claim;
      expect(await trial.exporting.jobs.claim('another', jobId)).toBeUndefined();
      await trial.age(jobId, 'heartbeat_at', LEASE_MS + 1);
      await trial.exporting.write(ORG_A, jobId);
      expect((await trial.get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2 });
      expect(await trial.exporting.jobs.heartbeat(dead, 1)).toBe(false);
      expect(await trial.exporting.jobs.succeed(dead, 'exports/x', '{}', 1)).toBe(false);
      expect(await trial.exporting.jobs.fail(dead, 'x', null)).toBe(false);
      expect(await trial.exporting.jobs.release(dead)).toBe(false);
      expect((await trial.get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2 });
    });

    it('was frozen and wakes up when another has finished changes nothing', async () => {
      const jobId = await trial.requested();
      let wake: () => void = () => undefined;
      // As a stopped process would: neither heartbeats nor anything else until it is woken.
      const heartbeat = jest.spyOn(trial.exporting.jobs, 'heartbeat').mockResolvedValue(true);
      trial.store.before = (key) =>
        key.endsWith('.csv') ? new Promise((go) => (wake = go)) : Promise.resolve();
      const frozen = trial.exporting.worker.work(jobId);
      await eventually(async () => expect((await trial.get(jobId)).body.state).toBe('running'));
      await trial.age(jobId, 'heartbeat_at', LEASE_MS + 1);
      trial.store.before = async () => undefined;
      await trial.exporting.write(ORG_A, jobId);
      const after = [...trial.store.objects];
      wake();
      await frozen;
      heartbeat.mockRestore();
      expect([...trial.store.objects]).toEqual(after);
      expect(trial.store.of(jobId).every((place) => place.startsWith('2/'))).toBe(true);
      expect((await trial.get(jobId)).body).toMatchObject({ state: 'succeeded', attempt: 2 });
    });

    it('dies again and again are given up', async () => {
      const jobId = await trial.requested();
      for (let death = 0; death < 3; death += 1) {
        expect(await trial.exporting.jobs.claim('dying', jobId)).toBeDefined();
        await trial.age(jobId, 'heartbeat_at', LEASE_MS + 1);
      }
      await trial.exporting.worker.work(jobId);
      expect((await trial.get(jobId)).body).toMatchObject({
        state: 'failed',
        failure: expect.stringContaining('ended unexpectedly'),
      });
    });

    it('is one of many are written once, however many claim', async () => {
      const ids = [await trial.requested(), await trial.requested()];
      const claims = await Promise.all(
        Array.from({ length: 12 }, (_, worker) => trial.exporting.jobs.claim(`w${worker}`)),
      );
      expect(claims.flatMap((job) => job?.jobId ?? []).sort()).toEqual(ids.sort());
    });

    it('leaves what an earlier attempt wrote to be cleared by the next', async () => {
      const jobId = await trial.requested();
      const dead = (await trial.exporting.jobs.claim('dead', jobId)) as Claim;
      trial.store.objects.set(`${attemptFolder(dead)}usage.csv`, Buffer.from('half'));
      await trial.age(jobId, 'heartbeat_at', LEASE_MS + 1);
      await trial.exporting.write(ORG_A, jobId);
      expect(trial.store.of(jobId).filter((place) => place.startsWith('1/'))).toEqual([]);
    });
  });

  it('of one organisation leave room for those of others', async () => {
    for (let job = 0; job < 3; job += 1) await trial.requested();
    const other = (await trial.exporting.send('POST', exportsOf(ORG_B), { body: REQUEST })).body
      .jobId as string;
    const claimed = [
      await trial.exporting.jobs.claim('w'),
      await trial.exporting.jobs.claim('w'),
      await trial.exporting.jobs.claim('w'),
    ];
    expect(claimed.map((job) => job?.orgId)).toEqual([ORG_A, ORG_A, ORG_B]);
    expect(claimed[2]?.jobId).toBe(other);
    expect(await trial.exporting.jobs.claim('w')).toBeUndefined();
  });

  it('of single events that were dropped meanwhile fail at once and say what to ask for', async () => {
    const { body } = await trial.request({ window: LAST_WEEK, granularity: 'events' });
    await trial.database.pool.query("update rollup_state set raw_from = now() - interval '1 day'");
    await trial.exporting.worker.work(body.jobId);
    await trial.database.pool.query("update rollup_state set raw_from = '-infinity'");
    expect((await trial.get(body.jobId)).body).toMatchObject({
      state: 'failed',
      attempt: 1,
      failure: expect.stringContaining('ask for the granularity hourly'),
    });
  });
});
