/**
 * The query plans of SQLite for the statements that a piece of code really makes.
 *
 * @module
 */

interface Statement {
  sql: string;
  params: unknown[];
}

/** The database, and the statements that were bound on it so far. */
function recordStatements(db: D1Database): { recorder: D1Database; statements: Statement[] } {
  const statements: Statement[] = [];
  const prepare = (sql: string): D1PreparedStatement => {
    const statement = db.prepare(sql);
    const entry: Statement = { sql, params: [] };
    statements.push(entry);
    const bind = statement.bind.bind(statement);
    statement.bind = (...params: unknown[]) => {
      entry.params = params;
      return bind(...params);
    };
    return statement;
  };
  const recorder = new Proxy(db, {
    get(target, name) {
      if (name === 'prepare') return prepare;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { recorder, statements };
}

/** The steps of the plans of all statements that `work` makes. */
export async function plansOf(
  db: D1Database,
  work: (recorder: D1Database) => Promise<unknown>,
): Promise<{ sql: string; steps: string[] }[]> {
  const { recorder, statements } = recordStatements(db);
  await work(recorder);
  const plans = [];
  for (const { sql, params } of statements) {
    const { results } = await db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...params)
      .all<{ detail: string }>();
    plans.push({ sql, steps: results.map(({ detail }) => detail) });
  }
  return plans;
}
