import { pause } from '../../../../src/cli/servers/server-program';
import type { Cell } from '../cell';
import { ORG_IDS } from '../workload';

const FAULTS = ['slow-down', 'reset', 'silence', 'denied'] as const;

export const failingS3: Cell = {
  name: 'failing-s3',
  about:
    'Exports are asked for while S3 answers 503, resets connections, falls silent, denies everything and is gone; afterwards each must succeed, and new ones must have the right totals.',
  recovery: 'from the healing until the exports that were asked for meanwhile have succeeded',
  settings: { S3_TIMEOUT: '1s' },
  async run(world) {
    const { router, replicas, s3 } = world;
    router.flow(500);
    await world.recovered();
    const [replica] = replicas;
    const jobs: string[] = [];
    const request = async (): Promise<void> => {
      for (const orgId of ORG_IDS) {
        const body = { window: { start: 'now-3d', end: 'now' }, granularity: 'hourly' };
        const answer = await replica.ask(`/orgs/${orgId}/exports`, { body });
        if (!answer.ok) throw new Error(`An export is refused: ${answer.status} ${await answer.text()}`);
        jobs.push(`/orgs/${orgId}/exports/${((await answer.json()) as { jobId: string }).jobId}`);
      }
    };
    for (const fault of FAULTS) {
      for (const operation of ['PutObject', 'CreateMultipartUpload', 'UploadPart'] as const)
        s3.proxy.inject(fault, operation);
      await request();
      await pause(2_000);
      s3.proxy.heal();
    }
    await s3.proxy.stop();
    await request();
    await pause(2_000);
    await s3.proxy.start();
    const healedAt = Date.now();
    for (const job of jobs) {
      for (let state = ''; state !== 'succeeded'; await pause(100)) {
        ({ state } = (await (await replica.ask(job)).json()) as { state: string });
        if (state === 'failed' || Date.now() - healedAt > 120_000) {
          world.complaints.push(`An export that met a failing store is ${state}.`);
          break;
        }
      }
    }
    world.recoveries.push((Date.now() - healedAt) / 1_000);
  },
};
