import fc from 'fast-check';
import type { UsageEventPayload } from '../../src/shared/usage-event/usage-event.schema';
import type { ModelWorld } from './model-world';

/** What was sent, by the partition and offset of its message: the simple model that the service is held against. */
export interface Sent {
  readonly messages: Map<string, readonly (UsageEventPayload | 'poison')[]>;
  /** When each event occurred; an event that is sent again occurred when it did. */
  readonly occurredAt: Map<string, string>;
}

type Command = fc.AsyncCommand<Sent, ModelWorld>;

const EVENTS = 8;
const place = fc.constantFrom(0 as const, 1 as const);

/** Which event, of which payload, and how late if it is new; or something that is no event. */
const content = fc.oneof(
  { weight: 12, arbitrary: fc.record({ event: fc.nat(EVENTS - 1), payload: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }), lateMs: fc.constantFrom(0, 0, 0, 3_600_000) }) },
  { weight: 1, arbitrary: fc.constant('poison' as const) },
); // prettier-ignore

class Publish implements Command {
  constructor(
    private readonly partition: 0 | 1,
    private readonly contents: readonly (readonly (
      { event: number; payload: number; lateMs: number } | 'poison'
    )[])[],
    private readonly skipped: number,
  ) {}

  check = () => true;

  run(sent: Sent, { streams }: ModelWorld): Promise<void> {
    const stream = streams[this.partition];
    const messages = this.contents.map((contents) =>
      contents.map((each) => (each === 'poison' ? each : eventOf(each, sent))),
    );
    const before = stream?.published.length ?? 0;
    stream?.publish(messages.map(bodyOf), this.skipped);
    for (const [index, { offset }] of (stream?.published ?? []).slice(before).entries())
      sent.messages.set(`${this.partition}/${offset}`, messages[index] ?? []);
    return Promise.resolve();
  }

  toString = () => `publish ${JSON.stringify(this.contents)} to ${this.partition} after ${this.skipped} more`;
}

function eventOf(
  { event, payload, lateMs }: { event: number; payload: number; lateMs: number },
  sent: Sent,
): UsageEventPayload {
  const eventId = `e0000000-0000-4000-8000-00000000000${event}`;
  const occurredAt = sent.occurredAt.get(eventId) ?? new Date(Date.now() - lateMs).toISOString();
  sent.occurredAt.set(eventId, occurredAt);
  return {
    eventId,
    orgId: `a0000000-0000-4000-8000-00000000000${event % 2}`,
    modelId: 'model',
    occurredAt,
    status: 'success',
    latencyMs: 1,
    inputTokens: payload,
    outputTokens: 0,
  };
}

function bodyOf(contents: readonly (UsageEventPayload | 'poison')[]): Buffer {
  const [first] = contents;
  if (contents.length === 1) return Buffer.from(first === 'poison' ? '{"poison' : JSON.stringify(first));
  return Buffer.from(JSON.stringify(contents));
}

/** A command that is done in a moment. */
function at<Chosen>(
  chosen: fc.Arbitrary<Chosen>,
  name: string,
  act: (world: ModelWorld, value: Chosen) => void | Promise<void>,
): fc.Arbitrary<Command> {
  return chosen.map((value) => ({
    check: () => true,
    run: async (_, world) => act(world, value),
    toString: () => `${name} ${String(value)}`,
  }));
}

/** Weighted by repetition: fast-check chooses among these evenly. */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  ...Array.from(
    { length: 4 },
    () =>
    fc
      .tuple(place, fc.array(fc.array(content, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 5 }), fc.constantFrom(0, 0, 0, 1))
      .map(([partition, contents, skipped]): Command => new Publish(partition, contents, skipped)), // prettier-ignore
  ),
  ...Array.from({ length: 6 }, () =>
    at(fc.integer({ min: 1, max: 60 }), 'take turns', (world, turns) => world.go(turns)),
  ),
  at(fc.constantFrom(100, 600, 1_500, 1_500), 'let ms pass', (world, ms) => world.pass(ms)),
  at(place, 'kill replica', (world, replica) => world.kill(replica)),
  at(place, 'restart replica', (world, replica) => world.restart(replica)),
  at(fc.tuple(place, fc.boolean()), 'hold deliveries of stream', ({ streams }, [partition, held]) => streams[partition]?.hold(held)), // prettier-ignore
  at(place, 'cut channels of stream', ({ streams }, partition) => streams[partition]?.cut()),
  at(fc.tuple(place, fc.constantFrom(0.3, 0.9)), 'drop the oldest of stream', ({ streams }, [partition, share]) => streams[partition]?.truncate(share)), // prettier-ignore
  at(fc.constant(13), 'set the clock on by hours', (world, hours) => world.setClockOn(hours * 3_600_000)), // prettier-ignore
];
