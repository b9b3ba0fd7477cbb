import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { UsageEventPayload } from '../../../src/shared/usage-event/usage-event.schema';
import type { Kind, Message } from './workload';

/** What became of one identity, as far as its sender knows. */
export interface Entry {
  readonly id: string;
  readonly orgId: string;
  /** How it was sent first. */
  readonly kind: Kind;
  /** Absent for what is no event. */
  readonly event: UsageEventPayload | undefined;
  /** When it was handed to the broker first, milliseconds since the epoch. */
  readonly sentAt: number;
  /** How often it was handed to the broker, duplicates included. */
  attempts: number;
  /** When the broker first confirmed it, milliseconds since the epoch; undefined while it has not. */
  confirmedAt: number | undefined;
}

/** The file, outside the system, in which a sender notes each message before it sends it and each confirm. */
export class Journal {
  private readonly file: number;
  private readonly bySequence = new Map<number, string>();
  /** The same as in the file, for those who look while it is written. */
  readonly entries = new Map<string, Entry>();

  constructor(readonly path: string) {
    this.file = openSync(path, 'a');
  }

  attempts(sent: readonly { sequence: number; message: Message }[]): void {
    if (sent.length === 0) return;
    const now = Date.now();
    const lines = sent.map(({ sequence, message: { kind, id, orgId, body } }) => {
      this.bySequence.set(sequence, id);
      return `a\t${sequence}\t${now}\t${kind}\t${id}\t${orgId}\t${body}\n`;
    });
    writeSync(this.file, lines.join(''));
    for (const line of lines) apply(this.entries, this.bySequence, line);
  }

  confirm(sequence: number): void {
    const line = `c\t${sequence}\t${Date.now()}\n`;
    writeSync(this.file, line);
    apply(this.entries, this.bySequence, line);
  }

  close(): void {
    closeSync(this.file);
  }
}

/** What a journal's file says, read from nothing but the file. */
export function readJournal(path: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const bySequence = new Map<number, string>();
  for (const line of readFileSync(path, 'utf8').split('\n')) if (line) apply(entries, bySequence, line);
  return entries;
}

function apply(entries: Map<string, Entry>, bySequence: Map<number, string>, line: string): void {
  const [what, sequence, ...rest] = line.trimEnd().split('\t');
  if (what === 'c') {
    const entry = entries.get(bySequence.get(Number(sequence)) ?? '');
    if (!entry) throw new Error(`A message was confirmed that was never sent: ${line}`);
    entry.confirmedAt ??= Number(rest[0]);
    return;
  }
  const [sentAt, kind, id, orgId, body] = rest as [string, Kind, string, string, string];
  bySequence.set(Number(sequence), id);
  const known = entries.get(id);
  if (known) known.attempts += 1;
  else {
    const event = kind === 'not-json' ? undefined : (JSON.parse(body) as UsageEventPayload);
    entries.set(id, { id, orgId, kind, event, sentAt: Number(sentAt), attempts: 1, confirmedAt: undefined });
  }
}
