import { killedAtPoints } from '../cells/killed-at-points';
import { runCell } from '../run-cell';
import { BUGS } from './all';

/** Runs a cell with every bug planted at once, on the servers of the tests, and prints what each oracle found. */
async function main(): Promise<void> {
  const plant = (build: Parameters<(typeof BUGS)[number]['plant']>[0]): void => {
    for (const bug of BUGS) bug.plant(build);
  };
  const { violations } = await runCell(killedAtPoints, { seed: 2, engine: 'postgres', plant, log: () => undefined }); // prettier-ignore
  console.log(JSON.stringify(violations));
  process.exit(0);
}

void main();
