/**
 * An SQLite file with the interface of a D1 database, so that the functions of src/crm work on a backup.
 *
 * It has the parts of D1 that src/crm uses: prepared statements, and batches, which are transactions.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** Wraps an SQLite database for src/crm. */
export function asD1(database: DatabaseSync): D1Database {
  const statementOf = (sql: string, params: SQLInputValue[]) => {
    const all = (): unknown => {
      const results = database.prepare(sql).all(...params);
      const row = database.prepare('SELECT changes() AS n').get();
      return { success: true, results, meta: { changes: row?.['n'] } };
    };
    return {
      bind: (...values: SQLInputValue[]) => statementOf(sql, values),
      run: () => Promise.resolve(all()),
      all: () => Promise.resolve(all()),
      first: () => Promise.resolve(database.prepare(sql).get(...params) ?? null),
      now: all,
    };
  };
  const face = {
    prepare: (sql: string) => statementOf(sql, []),
    batch(statements: ReturnType<typeof statementOf>[]) {
      database.exec('SAVEPOINT batch');
      try {
        const results = statements.map((statement) => statement.now());
        database.exec('RELEASE batch');
        return Promise.resolve(results);
      } catch (error) {
        database.exec('ROLLBACK TO batch; RELEASE batch');
        throw error;
      }
    },
  };
  return face as unknown as D1Database;
}
