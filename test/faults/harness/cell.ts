import type { Shares } from './workload';
import type { World } from './world';

/** One fault and what it is done to. */
export interface Cell {
  readonly name: string;
  /** What is done, in a sentence. */
  readonly about: string;
  /** From when to when a recovery is counted. */
  readonly recovery: string;
  /** Whether it ends, freezes or reconfigures servers, which must then be the harness's own. */
  readonly needsServers?: boolean;
  /** Whether the stream can be read again from its beginning afterwards; true unless said otherwise. */
  readonly replayable?: boolean;
  /** Settings of the service that differ. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly shares?: Partial<Shares>;
  /** Injects and heals, and tells the world of recoveries; the world's randomness is the only one. */
  run(world: World): Promise<void>;
}
