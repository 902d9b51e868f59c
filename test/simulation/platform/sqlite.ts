/**
 * SQLite databases of the simulation: `node:sqlite` in memory, with prepared statements kept by their text.
 *
 * A simulated world lies in one outer transaction, which is rolled back at its end: so databases are used again and
 * again, and a schema is made once. Inside it, a transaction of the product is a savepoint.
 *
 * The schema of an object's database is made by the product's own statements, but once for each database and not in
 * each world: every change of a schema makes SQLite prepare all statements again. Until the product makes its schema in
 * a world, the database answers as an empty one does.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

export type Row = Record<string, unknown>;

interface Prepared {
  statement: StatementSync;
  /** Makes a row of its cells; null: it returns none. */
  toRow: ((cells: readonly unknown[]) => Row) | null;
  /** A cell may be a blob. */
  mayHaveBlobs: boolean;
  isWrite: boolean;
  /** What it writes of what the checks of a session's rows read. */
  writes: Written;
}

/** What is written of a session: nothing that is checked, its own record, or also what became of its leads. */
export type Written = 'other' | 'session' | 'batches';

export interface Executed {
  rows: Row[];
  changes: number;
  mayHaveBlobs: boolean;
}

/**
 * The statements with which the product makes the schema of an object. The first one is where it begins: an object
 * that has not carried it out has no tables.
 */
export type Schema = readonly string[];

/** What a rolled back savepoint takes back besides rows. */
export interface SchemaState {
  /** The product has not made its schema in this world. */
  isBare: boolean;
  /** No table was dropped in this world. */
  isWhole: boolean;
}

/** Rows by table. */
export type Tables = ReadonlyMap<string, readonly Row[]>;

const noRows: Row[] = [];

/**
 * The statement with a plus before each parameter, which changes no result. Otherwise the planner looks at the values of
 * some parameters (a LIMIT, a column of a partial index, a pattern), and then SQLite prepares the statement again
 * whenever it is bound: ten times the cost of carrying it out.
 */
function withoutPeeking(sql: string): string {
  return sql.replace(/'(?:[^']|'')*'|--[^\n]*|\?/g, (part) => (part === '?' ? '+?' : part));
}

function writtenBy(sql: string): Written {
  if (/\bbatch\b/.test(sql)) return 'batches';
  return /\b(?:session|spec)\b/.test(sql) ? 'session' : 'other';
}

/** A function that makes a row of cells. Written out, so that all rows of a statement have one shape. */
function rowMaker(names: readonly string[]): (cells: readonly unknown[]) => Row {
  const fields = names.map((name, index) => `${JSON.stringify(name)}: cells[${index}]`);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- of the names of columns only
  return new Function('cells', `return { ${fields.join(', ')} };`) as (cells: readonly unknown[]) => Row;
}

export class Database {
  readonly #db = new DatabaseSync(':memory:');
  readonly #prepared = new Map<string, Prepared>();
  readonly #schema: Schema | null;
  readonly #tables: ReadonlySet<string>;
  schemaState: SchemaState;

  /** @param schema - made now; null: the database has no tables */
  constructor(schema: Schema | null = null) {
    for (const sql of schema ?? []) this.#db.exec(sql);
    this.#schema = schema;
    const tables = this.#db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    this.#tables = new Set(tables.map(({ name }) => String(name)));
    this.schemaState = { isBare: schema !== null, isWhole: schema !== null };
  }

  /** Runs statements without parameters, several at once. */
  script(sql: string): void {
    if (this.schemaState.isBare && sql === this.#schema?.[0])
      this.schemaState = { ...this.schemaState, isBare: false };
    // It is made already, and its tables are empty.
    if (this.schemaState.isWhole && this.#schema?.includes(sql) === true) return;
    if (sql.includes('DROP')) this.schemaState = { ...this.schemaState, isWhole: false };
    this.#db.exec(sql);
  }

  /** @throws as SQLite does, when the statement's table is not there */
  prepare(sql: string): Prepared {
    if (this.schemaState.isBare) this.#mayBegin(sql);
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(withoutPeeking(sql));
    const columns = statement.columns();
    // Cells and a row of one shape are twice as fast as rows by SQLite's names.
    if (columns.length > 0) statement.setReturnArrays(true);
    const isWrite = !/^\s*(?:SELECT|PRAGMA table_info|EXPLAIN)/i.test(sql);
    const prepared: Prepared = {
      statement,
      toRow: columns.length > 0 ? rowMaker(columns.map(({ name }) => name)) : null,
      mayHaveBlobs: columns.some(({ type }) => type === null || type === 'BLOB'),
      isWrite,
      writes: isWrite ? writtenBy(sql) : 'other',
    };
    this.#prepared.set(sql, prepared);
    return prepared;
  }

  #mayBegin(sql: string): void {
    if (sql === this.#schema?.[0]) this.schemaState = { ...this.schemaState, isBare: false };
    else if (!sql.includes('sqlite_master')) {
      throw new Error(`no such table: ${/(?:FROM|INTO|UPDATE)\s+(\w+)/i.exec(sql)?.[1] ?? ''}: SQLITE_ERROR`);
    }
  }

  run(sql: string, ...params: SQLInputValue[]): Executed {
    return this.execute(this.prepare(sql), params);
  }

  execute({ statement, toRow, isWrite, mayHaveBlobs }: Prepared, params: readonly SQLInputValue[]): Executed {
    if (toRow === null) {
      return { rows: noRows, changes: Number(statement.run(...params).changes), mayHaveBlobs };
    }
    const found = statement.all(...params) as unknown as unknown[][];
    const rows = found.length === 0 ? noRows : found.map(toRow);
    return { rows, changes: isWrite ? this.#changes() : 0, mayHaveBlobs };
  }

  /** Begins, releases or rolls back: no statement of the product. */
  control(sql: string): void {
    let known = this.#prepared.get(sql);
    if (known === undefined) {
      const statement = this.#db.prepare(sql);
      known = { statement, toRow: null, mayHaveBlobs: false, isWrite: false, writes: 'other' };
      this.#prepared.set(sql, known);
    }
    known.statement.run();
  }

  hasTable(name: string): boolean {
    const { isBare, isWhole } = this.schemaState;
    if (isBare) return false;
    if (isWhole && this.#tables.has(name)) return true;
    return this.run('SELECT 1 FROM sqlite_master WHERE name = ?', name).rows.length > 0;
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
    const cells = this.prepare('SELECT changes() AS n').statement.get() as unknown as [number];
    return cells[0];
  }

  /** Empty, and as if the product had not made its schema. */
  reset(): void {
    this.control('ROLLBACK');
    this.schemaState = { isBare: this.#schema !== null, isWhole: this.#schema !== null };
  }
}

/**
 * The statements without parameters that `make` carries out on an object's storage, and those that change its schema.
 */
export function schemaOf(make: (sql: SqlStorage) => void): Schema {
  const db = new DatabaseSync(':memory:');
  const schema: string[] = [];
  make({
    exec: (sql: string, ...params: SQLInputValue[]) => {
      const isSchema = /^\s*(?:--|CREATE|ALTER)/i.test(sql);
      if (isSchema) {
        schema.push(sql);
        db.exec(sql);
      }
      return { toArray: () => (isSchema ? noRows : db.prepare(sql).all(...params)) };
    },
  } as unknown as SqlStorage);
  db.close();
  return schema;
}

/** Databases that were rolled back to empty, for the next worlds, by their schema. */
const empty = new Map<Schema | null, Database[]>();

/** An empty database. Give it back with {@link returnDatabase}. */
export function takeDatabase(schema: Schema | null): Database {
  const database = empty.get(schema)?.pop() ?? new Database(schema);
  database.control('BEGIN');
  return database;
}

export function returnDatabase(database: Database, schema: Schema | null): void {
  database.reset();
  const others = empty.get(schema);
  if (others === undefined) empty.set(schema, [database]);
  else others.push(database);
}
