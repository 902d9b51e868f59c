/**
 * D1 in a simulation: the real migrations on `node:sqlite`, behind a network.
 *
 * A request leaves when the caller's writes are durable, arrives later, is one transaction, and is answered. A request
 * that has left is carried out also when its caller has died meanwhile. Faults come before it (nothing was done) or
 * after it (all was done, and the answer is lost). The rules are those of assumptions.ts.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SQLInputValue } from 'node:sqlite';
import type { Actor, Simulator } from './simulator.ts';
import { Database, type Row } from './sqlite.ts';

export type DatabaseFault = 'none' | 'before' | 'after' | 'overloaded' | 'slow';

export interface DatabaseWeather {
  hopMs(): number;
  /** What goes wrong with a request that leaves now; by its statements, and by who sends it. */
  fault(request: Request, caller: Actor | null): DatabaseFault;
  /** Carries out a request; for checks of what it has done. */
  watch?<Result>(request: Request, run: () => Result): Result;
}

/** The statements of one transaction. */
export type Request = readonly { readonly sql: string; readonly params: readonly SQLInputValue[] }[];

/** A slow request: below the 30 s after which D1 gives up. */
const slowMs = { from: 500, to: 20_000 };

let base: Database | null = null;

/** The process's one CRM database, migrated; a world lies in a transaction. */
function crmDatabase(): Database {
  if (base !== null) return base;
  base = new Database();
  const folder = join(import.meta.dirname, '../../../migrations');
  for (const file of readdirSync(folder).sort()) {
    if (file.endsWith('.sql')) base.script(readFileSync(join(folder, file), 'utf8'));
  }
  return base;
}

interface Answer {
  success: true;
  results: Row[];
  meta: { changes: number };
}

class Statement {
  readonly sql: string;
  readonly #db: SimDatabase;
  readonly params: readonly SQLInputValue[];

  constructor(db: SimDatabase, sql: string, params: readonly SQLInputValue[]) {
    this.#db = db;
    this.sql = sql;
    this.params = params;
  }

  bind(...params: SQLInputValue[]): Statement {
    return new Statement(this.#db, this.sql, params);
  }

  async all(): Promise<Answer | undefined> {
    return (await this.#db.batch([this]))[0];
  }

  run(): Promise<Answer | undefined> {
    return this.all();
  }

  async first(column?: string): Promise<unknown> {
    const row = (await this.all())?.results[0];
    if (row === undefined) return null;
    return column === undefined ? row : row[column];
  }
}

/** What a caller is told where the platform, and not the statement, is the reason. */
const platformFaults = {
  before: 'D1_ERROR: Network connection lost.',
  overloaded: 'D1_ERROR: D1 DB is overloaded. Too many requests queued.',
  after: 'D1_ERROR: D1 DB storage operation exceeded timeout.',
} as const;

/** True where a text has the message of such a fault. */
export function namesPlatformFault(text: string): boolean {
  return Object.values(platformFaults).some((message) => text.includes(message));
}

export class SimDatabase {
  /** For the checks, which look at the rows themselves. */
  readonly rows: Database = crmDatabase();
  readonly #sim: Simulator;
  readonly #weather: DatabaseWeather;

  constructor(sim: Simulator, weather: DatabaseWeather) {
    this.#sim = sim;
    this.#weather = weather;
    this.rows.control('BEGIN');
  }

  prepare(sql: string): Statement {
    return new Statement(this, sql, []);
  }

  batch(statements: readonly Statement[]): Promise<Answer[]> {
    const sim = this.#sim;
    const caller = sim.current;
    return new Promise((resolve, reject) => {
      const send = (): void => {
        const fault = this.#weather.fault(statements, caller);
        const extraMs = fault === 'slow' ? sim.random.int(slowMs.from, slowMs.to) : 0;
        const answer = (settle: () => void): void =>
          void sim.after(this.#weather.hopMs(), caller, 'answer d1', settle);
        const fail = (message: string): void => {
          answer(() => reject(new Error(message)));
        };
        const carryOut = (): void => {
          if (fault === 'before' || fault === 'overloaded') fail(platformFaults[fault]);
          else {
            try {
              const run = (): Answer[] => this.#transact(statements);
              const answers =
                this.#weather.watch === undefined ? run() : this.#weather.watch(statements, run);
              if (fault === 'after') fail(platformFaults.after);
              else answer(() => resolve(answers));
            } catch (error) {
              fail(`D1_ERROR: ${error instanceof Error ? error.message : String(error)}`);
            }
          }
        };
        sim.after(this.#weather.hopMs() + extraMs, null, `d1 ${fault}`, carryOut);
      };
      if (caller === null) send();
      else caller.emit(send);
    });
  }

  #transact(statements: readonly Statement[]): Answer[] {
    const run = ({ sql, params }: Statement): Answer => {
      const { rows, changes } = this.rows.run(sql, ...params);
      return { success: true, results: rows, meta: { changes } };
    };
    // One statement is a transaction of its own.
    if (statements.length === 1) return statements.map(run);
    this.rows.control('SAVEPOINT request');
    try {
      const answers = statements.map(run);
      this.rows.control('RELEASE request');
      return answers;
    } catch (error) {
      this.rows.control('ROLLBACK TO request');
      this.rows.control('RELEASE request');
      throw error;
    }
  }

  dispose(): void {
    this.rows.control('ROLLBACK');
  }
}
