import type { Inspector } from '../../support/tcp-proxy';
import {
  asks,
  backendOf,
  copies,
  isOfIngestPool,
  PostgresWire,
  tellsCommit,
  type WireMessage,
} from './postgres-wire';

/** Moments of a batch's transaction, as its connection shows them. */
export const MOMENTS = ['before-begin', 'mid-copy', 'before-commit', 'after-commit'] as const;
export type Moment = (typeof MOMENTS)[number];

interface Trap {
  readonly moment: Moment;
  readonly act: (backend: number) => Promise<void> | void;
  readonly sprung: () => void;
  /** Whether the bytes are delivered after all, when `act` has ended. */
  readonly goesOn: boolean;
}

/**
 * Watches the connections on which one replica commits batches and acts at a named moment of a transaction, before
 * the bytes of that moment are delivered: what was still to be said is never said. The service knows nothing of it.
 */
export class KillPoints {
  private trap: Trap | undefined;

  /** As `at`, but when `act` has ended everything goes on as if the replica had only been slow. */
  during(moment: Moment, act: Trap['act']): Promise<void> {
    return new Promise((sprung) => {
      this.trap = { moment, act, sprung, goesOn: true };
    });
  }

  /**
   * The next transaction that comes to the moment and, but for `before-begin`, has events to store: `act` is awaited, with the process id of PostgreSQL's session, and
   * the connection stays silent from then on. Resolves after that. A moment that was waited for before is forgotten.
   */
  at(moment: Moment, act: Trap['act']): Promise<void> {
    return new Promise((sprung) => {
      this.trap = { moment, act, sprung, goesOn: false };
    });
  }

  forget(): void {
    this.trap = undefined;
  }

  /** For one connection. */
  inspector(): Inspector {
    const wire = new PostgresWire();
    let ofIngestPool = false;
    let hasRows = false;
    let backend = 0;
    return async (bytes, direction) => {
      for (const message of wire.read(bytes, direction)) {
        if (isOfIngestPool(message)) ofIngestPool = true;
        if (!ofIngestPool) continue;
        backend = backendOf(message) ?? backend;
        if (asks(message, 'begin')) hasRows = false;
        if (copies(message)) hasRows = true;
        const { trap } = this;
        if (!trap || !isAt(trap.moment, message, hasRows)) continue;
        this.trap = undefined;
        if (trap.goesOn) {
          await trap.act(backend);
          trap.sprung();
          continue;
        }
        // Some of the rows reach the server, and the others never do.
        const passed =
          trap.moment === 'mid-copy' ? Math.floor((message.start + bytes.length) / 2) : message.start;
        const acted = async (): Promise<void> => {
          await trap.act(backend);
          trap.sprung();
        };
        if (trap.moment === 'mid-copy') setTimeout(() => void acted(), MID_COPY_MS);
        else await acted();
        return passed;
      }
      return bytes.length;
    };
  }
}

/** Lets the rows that were delivered reach the table before the sender dies. */
const MID_COPY_MS = 10;

function isAt(moment: Moment, message: WireMessage, hasRows: boolean): boolean {
  switch (moment) {
    case 'before-begin':
      return asks(message, 'begin');
    case 'mid-copy':
      return copies(message);
    case 'before-commit':
      return hasRows && asks(message, 'commit');
    case 'after-commit':
      return hasRows && tellsCommit(message);
    default:
      return moment satisfies never;
  }
}
