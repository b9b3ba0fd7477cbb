import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { COMMANDS, type Sent } from './commands';
import { totalOf } from './invariants';
import { ModelWorld } from './model-world';
import { type Fate, Turns } from './turns';

jest.mock('node:timers/promises', () => ({
  setTimeout: jest.requireActual<typeof import('./modelled-sleep')>('./modelled-sleep').sleep,
}));

/** One order of turns each; MODEL_RUNS asks for more. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 1_000);
const START = new Date('2026-11-23T10:00:00Z');

const fates = fc.array(
  fc.oneof(
    { weight: 30, arbitrary: fc.constant<Fate>('done') },
    { weight: 1, arbitrary: fc.constant<Fate>('breaks-before') },
    { weight: 1, arbitrary: fc.constant<Fate>('breaks-after') },
  ),
  { maxLength: 300, size: 'max' },
);

/** What is wrong when everything has been read. */
function finalViolations({ database: { tables }, turns }: ModelWorld, sent: Sent): string[] {
  const violations = [...turns.violations];
  const there = [...sent.messages]
    .filter(([place]) => tables.places.has(place))
    .flatMap(([, events]) => events);
  const identities = new Set(there.flatMap((each) => (each === 'poison' ? [] : [each.eventId])));
  const stored = new Set([...tables.events.values()].map(({ eventId }) => eventId));
  for (const eventId of identities) if (!stored.has(eventId)) violations.push(`${eventId} is lost`);
  for (const eventId of stored) if (!identities.has(eventId)) violations.push(`${eventId} is invented`);
  if (totalOf(tables) !== there.length)
    violations.push(`${there.length} events were read, ${totalOf(tables)} are accounted for`);
  return violations;
}

describe('ingestion, in any order of turns, with any connection breaking at any step', () => {
  beforeAll(() => {
    Logger.overrideLogger(false);
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  });
  afterAll(() => {
    jest.useRealTimers();
  });

  it('loses, doubles and invents nothing, passes over nothing in silence, and tells of nothing that is not there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fates,
        fc.commands(COMMANDS, { maxCommands: 40, size: 'max' }),
        async (scheduler, chosen, commands) => {
          jest.setSystemTime(START);
          const world = new ModelWorld(new Turns(scheduler, chosen));
          const sent: Sent = { messages: new Map(), occurredAt: new Map() };
          try {
            await fc.asyncModelRun(() => ({ model: sent, real: world }), commands);
            await world.drain();
            expect(finalViolations(world, sent)).toEqual([]);
          } finally {
            world.abandon();
          }
        },
      ),
      { numRuns: RUNS },
    );
  }, 1_200_000);
});
