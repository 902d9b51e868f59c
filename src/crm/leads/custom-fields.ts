/**
 * Custom fields in the database: how a lead's row keeps them, and the names that leads have ever had.
 *
 * @module
 */
import { limits } from '../../shared/limits.ts';
import type { CustomFields } from '../../shared/custom-fields.ts';

/** As `leads.custom` keeps them: those with a value, in the order of their names. */
export function customJson(fields: CustomFields): string {
  const filled = Object.entries(fields).flatMap(([name, value]): [string, string][] => {
    const trimmed = value.trim();
    return trimmed === '' ? [] : [[name, trimmed]];
  });
  return JSON.stringify(Object.fromEntries(filled.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/**
 * The statement that remembers names; writes no row for those that are known. None where there are none.
 *
 * @param when - a condition of SQL, with numbered parameters from ?2 on: nothing is remembered where it does
 * not hold, so that what is refused leaves nothing behind
 */
export function rememberNames(
  db: D1Database,
  names: readonly string[],
  when: { sql: string; params: readonly (string | number | null)[] },
): D1PreparedStatement[] {
  if (names.length === 0) return [];
  return [
    db
      .prepare(`INSERT OR IGNORE INTO custom_fields (name) SELECT value FROM json_each(?1) WHERE ${when.sql}`)
      .bind(JSON.stringify(names), ...when.params),
  ];
}

/** The statement that reads the names, in their order. */
export function namesStatement(db: D1Database): D1PreparedStatement {
  return db
    .prepare('SELECT name AS value FROM custom_fields ORDER BY name LIMIT ?')
    .bind(limits.maxLeadValueCount);
}
