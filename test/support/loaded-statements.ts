import type * as Sql from '../../src/platform/database/sql';

/** A statement of the running service that can be changed under its feet. */
class LoadedStatement implements Sql.Statement {
  private version = 0;
  private changed: string | undefined;

  constructor(private readonly original: Sql.Statement) {
    // Statements are copied by `...statement`, which takes nothing but properties of the object's own.
    for (const property of ['name', 'text'] as const)
      Object.defineProperty(this, property, { enumerable: true, get: () => this.now[property] });
  }

  declare readonly name: string;
  declare readonly text: string;

  /** Answers how to undo it. A changed statement has a name of its own: sessions keep what they have prepared. */
  change(edit: (text: string) => string): () => void {
    this.version += 1;
    this.changed = edit(this.original.text);
    return () => {
      this.changed = undefined;
    };
  }

  private get now(): Sql.Statement {
    const { name, text } = this.original;
    return this.changed === undefined
      ? { name, text }
      : { name: `${name}/${this.version}`, text: this.changed };
  }
}

const loaded = new Map<string, LoadedStatement[]>();

/** All that were loaded from `sql/<path>.sql`, one for each relation. */
export function statementsOf(path: string): readonly LoadedStatement[] {
  return loaded.get(path) ?? [];
}

/** In the place of src/platform/database/sql: the same, but that what it loads can be changed. */
export function watchedSql(): typeof Sql {
  const actual = jest.requireActual<typeof Sql>('../../src/platform/database/sql');
  const watched = (path: string, statement: Sql.Statement): Sql.Statement => {
    const watching = new LoadedStatement(statement);
    loaded.set(path, [...(loaded.get(path) ?? []), watching]);
    return watching;
  };
  return {
    ...actual,
    sql: (path) => watched(path, actual.sql(path)),
    sqlOver: (path, relations) => {
      const over = actual.sqlOver(path, relations);
      const statements = new Map(relations.map((relation) => [relation, watched(path, over.over(relation))]));
      return { over: (relation) => statements.get(relation) ?? over.over(relation) };
    },
  };
}
