import type { Build } from '../build';
import type { Cell } from '../cell';

/** A bug that an oracle must find: planted in the harness's copy of the build, so that no other build can have it. */
export interface Bug {
  readonly name: string;
  readonly about: string;
  /** The oracle that must turn red; others may, too. */
  readonly oracle: string;
  readonly cell: Cell;
  plant(build: Build): void;
}
