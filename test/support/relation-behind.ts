import type { TestDatabase } from './test-database';

/** Where the engine keeps the rows of a rollup: what an operator's accident would write into. */
export async function relationBehind({ engine, pool }: TestDatabase, rollup: string): Promise<string> {
  const { rows } =
    engine === 'postgres'
      ? await pool.query<{ name: string }>(
          'select coalesce(to_regclass($1), to_regclass($2))::text as name',
          [`${rollup}_materialized`, rollup],
        )
      : await pool.query<{ name: string }>(
          `select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as name
           from timescaledb_information.continuous_aggregates where view_name = $1`,
          [`${rollup}_materialized`],
        );
  return rows[0]?.name ?? '';
}
