import { describeEachEngine } from '../support/engines';
import { killedAtPoints } from './harness/cells/killed-at-points';
import { runCell } from './harness/run-cell';

/** What of the fault harness runs with every test; all of it is `npm run faults`. */
describeEachEngine('the service', (engine) => {
  it('loses, doubles and invents nothing when it is killed at each point of a batch', async () => {
    const run = await runCell(killedAtPoints, { seed: 1, engine, log: () => undefined });
    expect(run.complaints).toEqual([]);
    expect(run.events).toBeGreaterThan(1_000);
    expect(run.snapshots).toBeGreaterThan(5);
    expect(run.recoveries).toHaveLength(4);
  });
});
