/**
 * SQLite databases of the simulation: `node:sqlite` in memory, with prepared statements kept by their text.
 *
 * A simulated world lies in one outer transaction, which is rolled back at its end: so databases are used again and
 * again, and the CRM's schema is made once. Inside it, a transaction of the product is a savepoint.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

export type Row = Record<string, unknown>;

interface Prepared {
  statement: StatementSync;
  /** It returns rows. */
  hasRows: boolean;
  isWrite: boolean;
}

export interface Executed {
  rows: Row[];
  changes: number;
}

/** Rows by table. */
export type Tables = ReadonlyMap<string, readonly Row[]>;

const noRows: Row[] = [];

export class Database {
  readonly #db = new DatabaseSync(':memory:');
  readonly #prepared = new Map<string, Prepared>();

  /** Runs statements without parameters, several at once. */
  script(sql: string): void {
    this.#db.exec(sql);
  }

  prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    const prepared = {
      statement,
      hasRows: statement.columns().length > 0,
      isWrite: !/^\s*(?:SELECT|PRAGMA table_info|EXPLAIN)/i.test(sql),
    };
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  run(sql: string, ...params: SQLInputValue[]): Executed {
    const { statement, hasRows, isWrite } = this.prepare(sql);
    if (!hasRows) return { rows: noRows, changes: Number(statement.run(...params).changes) };
    const rows = statement.all(...params);
    return { rows, changes: isWrite ? this.#changes() : 0 };
  }

  /** A copy of all rows of some tables. */
  copy(tables: readonly string[]): Tables {
    return new Map(tables.map((table) => [table, this.run(`SELECT * FROM ${table}`).rows]));
  }

  /** Replaces all rows of tables by those of a copy. */
  restore(copy: Tables): void {
    for (const [table, rows] of copy) {
      this.run(`DELETE FROM ${table}`);
      for (const row of rows) {
        const columns = Object.keys(row);
        const places = columns.map(() => '?').join();
        const values = Object.values(row) as SQLInputValue[];
        this.run(`INSERT INTO ${table} (${columns.join()}) VALUES (${places})`, ...values);
      }
    }
  }

  #changes(): number {
    const row = this.prepare('SELECT changes() AS n').statement.get();
    return Number(row?.['n'] ?? 0);
  }
}

/** Databases that were rolled back to empty, for the next worlds. */
const empty: Database[] = [];

/** An empty database. Give it back with {@link returnDatabase}. */
export function takeDatabase(): Database {
  const database = empty.pop() ?? new Database();
  database.run('BEGIN');
  return database;
}

export function returnDatabase(database: Database): void {
  database.run('ROLLBACK');
  empty.push(database);
}
