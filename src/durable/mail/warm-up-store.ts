/**
 * WarmUpStore: the ramps of a mail account's domains, and which late results they have counted.
 *
 * All SQL of it; decides nothing. A session reports its results of a day as a sum and not as events, so a report that is
 * lost comes again with the next, and one that comes twice adds nothing.
 *
 * @module
 */
import type { LateResults, WarmUp } from '../../core/limits/warm-up.ts';

/** Later results are of no use to the ramp. */
const keptDays = 14;

const schema = `
  CREATE TABLE IF NOT EXISTS warm_up (domain TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS warm_up_result (
    domain TEXT NOT NULL, session_id TEXT NOT NULL, day INTEGER NOT NULL,
    bounced INTEGER NOT NULL, complained INTEGER NOT NULL,
    PRIMARY KEY (domain, session_id, day)
  ) STRICT, WITHOUT ROWID`;

export class WarmUpStore {
  readonly #sql: SqlStorage;
  #isMade = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The domains that have a ramp. */
  domains(): string[] {
    this.#make();
    const rows = this.#sql.exec<{ domain: string }>('SELECT domain FROM warm_up ORDER BY domain').toArray();
    return rows.map(({ domain }) => domain);
  }

  load(domain: string): WarmUp | null {
    this.#make();
    const row = this.#sql
      .exec<{ state: string }>('SELECT state FROM warm_up WHERE domain = ?', domain)
      .toArray()[0];
    return row === undefined ? null : (JSON.parse(row.state) as WarmUp);
  }

  save(domain: string, warmUp: WarmUp): void {
    this.#make();
    this.#sql.exec(
      'INSERT OR REPLACE INTO warm_up (domain, state) VALUES (?, ?)',
      domain,
      JSON.stringify(warmUp),
    );
  }

  /**
   * Notes a session's results of some days. Call it together with {@link save}, without an `await` between.
   *
   * @param today - days since 1970
   * @returns what is new of them
   */
  count(domain: string, sessionId: string, results: readonly LateResults[], today: number): LateResults[] {
    this.#make();
    this.#sql.exec('DELETE FROM warm_up_result WHERE domain = ? AND day < ?', domain, today - keptDays);
    return results.flatMap(({ day, bounced, complained }) => {
      if (day < today - keptDays) return [];
      const known = this.#sql
        .exec<{ bounced: number; complained: number }>(
          'SELECT bounced, complained FROM warm_up_result WHERE domain = ? AND session_id = ? AND day = ?',
          domain,
          sessionId,
          day,
        )
        .toArray()[0] ?? { bounced: 0, complained: 0 };
      const sum = {
        bounced: Math.max(bounced, known.bounced),
        complained: Math.max(complained, known.complained),
      };
      const added = {
        day,
        bounced: sum.bounced - known.bounced,
        complained: sum.complained - known.complained,
      };
      if (added.bounced + added.complained === 0) return [];
      this.#sql.exec(
        `INSERT OR REPLACE INTO warm_up_result (domain, session_id, day, bounced, complained)
         VALUES (?, ?, ?, ?, ?)`,
        ...[domain, sessionId, day, sum.bounced, sum.complained],
      );
      return [added];
    });
  }

  /** Not on sight: a gate that warms up nothing writes nothing. */
  #make(): void {
    if (this.#isMade) return;
    this.#sql.exec(schema);
    this.#isMade = true;
  }
}
