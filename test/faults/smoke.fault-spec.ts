import { describeEachEngine } from '../support/engines';
import { killedAtPoints } from './harness/cells/killed-at-points';
import { runCell } from './harness/run-cell';

/** What of the fault harness runs with every test; all of it is `npm run faults`. */
describeEachEngine('the service', (engine) => {
  it('loses, doubles and invents nothing when it is killed at each point of a batch', async () => {
    // One engine reads by the stream protocol, the other over AMQP 0-9-1.
    const seed = engine === 'postgres' ? 2 : 1;
    const run = await runCell(killedAtPoints, { seed, engine, log: () => undefined });
    expect(run.complaints).toEqual([]);
    expect(run.events).toBeGreaterThan(1_000);
    expect(run.snapshots).toBeGreaterThan(5);
    expect(run.recoveries).toHaveLength(4);
  });
});
