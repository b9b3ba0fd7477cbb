import { ExportTrial, LAST_WEEK, ORG_A, ORG_B } from '../../test/support/export-trial';
import { DAY_MS, TimeZone } from '../shared/time-zone';
import { ArtifactStoreError } from './artifacts/artifact-store';
import { DeleteArtifactsCommand } from './commands/delete-artifacts.command';
import { ScheduleExportsCommand } from './commands/schedule-exports.command';

describe('exports', () => {
  let trial: ExportTrial;

  beforeAll(async () => {
    trial = await ExportTrial.start(new Date());
  });
  afterAll(() => trial?.stop());
  beforeEach(() => trial.clear());

  describe('expired', () => {
    it('have no file any more, neither for the API nor in the store', async () => {
      const jobId = await trial.requested();
      await trial.exporting.write(ORG_A, jobId);
      expect(await trial.exporting.commands.execute(new DeleteArtifactsCommand())).toMatchObject({ jobs: 0 });
      const { expiresAt, finishedAt } = (await trial.get(jobId)).body;
      expect(Date.parse(expiresAt) - Date.parse(finishedAt)).toBe(90 * DAY_MS);
      await trial.age(jobId, 'expires_at', 91 * DAY_MS);
      // At once, before anything was deleted.
      expect((await trial.get(jobId, '/download')).status).toBe(410);
      expect((await trial.get(jobId, '/manifest')).status).toBe(410);
      const deleteFolder = jest
        .spyOn(trial.store, 'deleteFolder')
        .mockRejectedValueOnce(new ArtifactStoreError('Away.'));
      await expect(trial.exporting.commands.execute(new DeleteArtifactsCommand())).rejects.toThrow(
        'of 1 exports',
      );
      deleteFolder.mockRestore();
      expect(await trial.exporting.commands.execute(new DeleteArtifactsCommand())).toMatchObject({ jobs: 1 });
      expect((await trial.get(jobId)).body.state).toBe('expired');
      expect(trial.store.of(jobId)).toEqual([]);
      expect((await trial.get(jobId, '/download')).status).toBe(410);
      expect(await trial.exporting.commands.execute(new DeleteArtifactsCommand())).toMatchObject({ jobs: 0 });
    });
  });

  describe('of which one cannot be deleted', () => {
    it('go all the same, and unfinished uploads with them; the failure is told at the end', async () => {
      const ids = [await trial.requested(), await trial.requested(), await trial.requested()];
      for (const jobId of ids) {
        await trial.exporting.write(ORG_A, jobId);
        await trial.age(jobId, 'expires_at', 91 * DAY_MS);
      }
      const [first] = ids;
      const real = trial.store.deleteFolder.bind(trial.store);
      const deleteFolder = jest.spyOn(trial.store, 'deleteFolder').mockImplementation(async (folder) => {
        if (folder.includes(String(first))) throw new ArtifactStoreError('Held.');
        await real(folder);
      });
      const sweep = jest.spyOn(trial.store, 'abortUnfinishedBefore');
      const deleted = trial.exporting.commands.execute(new DeleteArtifactsCommand());
      await expect(deleted).rejects.toThrow('The files of 1 exports could not be deleted.');
      expect(sweep).toHaveBeenCalledTimes(1);
      deleteFolder.mockRestore();
      sweep.mockRestore();
      const states = await Promise.all(ids.map(async (jobId) => (await trial.get(jobId)).body.state));
      expect(states).toEqual(['succeeded', 'expired', 'expired']);
      expect(trial.store.of(String(first))).toHaveLength(2);
    });
  });

  describe('scheduled', () => {
    const schedule = () => trial.exporting.commands.execute(new ScheduleExportsCommand());
    const rewind = (ms: number) =>
      trial.database.pool.query('update export_schedule set fired_through = $1', [
        new Date(trial.exporting.now.getTime() - ms),
      ]);

    // The trial's usage ends yesterday, whatever day this is: its month is exported from the 8th of the next one on.
    beforeEach(() => {
      const month = TimeZone.UTC.floor(Date.parse(LAST_WEEK.end) - DAY_MS, 'month');
      trial.exporting.now = new Date(TimeZone.UTC.floor(month + 32 * DAY_MS, 'month') + 10 * DAY_MS);
    });
    afterEach(() => {
      trial.exporting.now = new Date();
    });

    it('are added for each organisation with usage, once, and caught up', async () => {
      await rewind(0);
      expect(await schedule()).toBe(0);
      await rewind(60 * DAY_MS);
      const added = await schedule();
      const { rows } = await trial.database.pool.query(
        'select org_id, scheduled_for, window_start, requested_by, format from export_jobs order by scheduled_for, org_id',
      );
      expect(rows).toHaveLength(added);
      expect(added).toBeGreaterThanOrEqual(2);
      expect(new Set(rows.map(({ org_id }) => org_id))).toEqual(new Set([ORG_A, ORG_B]));
      expect(rows[0]).toMatchObject({ requested_by: 'schedule', format: 'csv.gz' });
      expect(await schedule()).toBe(0);
      await rewind(60 * DAY_MS);
      expect(await schedule()).toBe(0);
    });

    it('are added once by processes that do it at the same time', async () => {
      await rewind(60 * DAY_MS);
      const added = await Promise.all([schedule(), schedule(), schedule()]);
      expect(added.filter((jobs) => jobs > 0)).toHaveLength(1);
    });

    it('are written like all others', async () => {
      await rewind(60 * DAY_MS);
      await schedule();
      await trial.exporting.worker.drain();
      const { rows } = await trial.database.pool.query('select distinct state from export_jobs');
      expect(rows).toEqual([{ state: 'succeeded' }]);
    });
  });
});
