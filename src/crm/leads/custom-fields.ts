/**
 * Custom fields in the database: their form in a lead's row, and the list of all names that leads have had.
 *
 * @module
 */
import { limits } from '../../shared/limits.ts';
import type { CustomFields } from '../../shared/custom-fields.ts';

/** The form in `leads.custom`: the fields with a value, in the order of their names. */
export function customJson(fields: CustomFields): string {
  const filled = Object.entries(fields).flatMap(([name, value]): [string, string][] => {
    const trimmed = value.trim();
    return trimmed === '' ? [] : [[name, trimmed]];
  });
  return JSON.stringify(Object.fromEntries(filled.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/**
 * The statement that stores names; writes no row for known ones. No statement without names.
 *
 * @param when - a condition in SQL with numbered parameters from ?2 on; if it does not hold, no name is stored, so that a refused request stores nothing
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

/** The statement that reads the names in their order. */
export function namesStatement(db: D1Database): D1PreparedStatement {
  return db
    .prepare('SELECT name AS value FROM custom_fields ORDER BY name LIMIT ?')
    .bind(limits.maxLeadValueCount);
}
