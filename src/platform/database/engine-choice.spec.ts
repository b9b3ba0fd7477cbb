import { chooseEngine, type DatabaseFacts, objectionTo, SchemaRefusedError } from './engine-choice';

const empty: DatabaseFacts = { serverVersion: 150014, schemaEngine: null, timescaleVersion: null };
const withTimescale: DatabaseFacts = { ...empty, timescaleVersion: '2.13.1' };

describe('the choice of the storage engine', () => {
  it('takes TimescaleDB when left to choose and the server offers it', () => {
    expect(chooseEngine('auto', withTimescale)).toBe('timescale');
    expect(chooseEngine('auto', empty)).toBe('postgres');
  });

  it('takes plain PostgreSQL rather than a TimescaleDB that is too old or broken, when left to choose', () => {
    for (const timescaleVersion of ['2.12.2', '2.17.2', '2.22.0']) {
      expect(chooseEngine('auto', { ...empty, timescaleVersion })).toBe('postgres');
    }
  });

  it('stays with the schema that is there, whatever the server offers by now', () => {
    expect(chooseEngine('auto', { ...withTimescale, schemaEngine: 'postgres' })).toBe('postgres');
    expect(chooseEngine('auto', { ...withTimescale, schemaEngine: 'timescale' })).toBe('timescale');
  });

  it.each(['timescale', 'postgres'] as const)(
    'refuses a schema of the other engine when %s is asked for',
    (wanted) => {
      const schemaEngine = wanted === 'timescale' ? 'postgres' : 'timescale';
      expect(() => chooseEngine(wanted, { ...withTimescale, schemaEngine })).toThrow(SchemaRefusedError);
    },
  );

  it('refuses to go on when the extension of a TimescaleDB schema has gone or is broken', () => {
    const schema: DatabaseFacts = { ...withTimescale, schemaEngine: 'timescale' };
    expect(() => chooseEngine('auto', { ...schema, timescaleVersion: null })).toThrow('does not offer');
    expect(() => chooseEngine('auto', { ...schema, timescaleVersion: '2.28.2' })).toThrow(
      'update the extension',
    );
  });

  it('refuses a server older than PostgreSQL 15', () => {
    expect(() => chooseEngine('auto', { ...withTimescale, serverVersion: 140011 })).toThrow(
      'PostgreSQL 14 is too old',
    );
  });

  it.each([
    ['2.13.0', false],
    ['2.13.1', true],
    ['2.17.1', true],
    ['2.17.2', false],
    ['2.18.0', false],
    ['2.18.1', true],
    ['2.22.0', false],
    ['2.22.1', true],
    ['2.28.2', false],
    ['2.29.0-dev', true],
    ['3.0.0', true],
  ])('knows whether TimescaleDB %s can be used: %p', (version, usable) => {
    expect(objectionTo(version) === null).toBe(usable);
  });
});
