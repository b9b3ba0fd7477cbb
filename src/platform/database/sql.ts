import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A statement of `sql/`, prepared once per connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** A statement that can be asked of several relations with the same columns; `over` chooses one. */
export interface RelationStatement<Relation extends string> {
  over(relation: Relation): Statement;
}

const SQL_ROOT = join(__dirname, '..', '..', '..', 'sql');

/** Loads `sql/<path>.sql`. Throws at start, not at the first query, when the file is missing. */
export function sql(path: string): Statement {
  return { name: path, text: read(path) };
}

/**
 * Loads `sql/<path>.sql` whose text names its relation as `:relation`. Only the listed relations can be chosen, so no
 * request ever becomes part of a statement's text.
 */
export function sqlOver<const Relation extends string>(
  path: string,
  relations: readonly Relation[],
): RelationStatement<Relation> {
  const text = read(path);
  const statements = new Map<Relation, Statement>(
    relations.map((relation) => [
      relation,
      { name: `${path}/${relation}`, text: text.replaceAll(':relation', relation) },
    ]),
  );
  return {
    over: (relation) => {
      const statement = statements.get(relation);
      if (!statement) throw new Error(`sql/${path}.sql is not written for the relation ${relation}`);
      return statement;
    },
  };
}

function read(path: string): string {
  return readFileSync(join(SQL_ROOT, `${path}.sql`), 'utf8');
}
