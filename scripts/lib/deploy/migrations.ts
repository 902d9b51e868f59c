/**
 * Migrations as expand, deploy, contract: which run before a deploy, and which only after it.
 *
 * While a Worker is deployed, the old and the new version run at once, and after a rollback the old one runs
 * on the new schema. So a migration must keep everything that the version before uses (expand). One that removes
 * something is a contract step. Its first line says so, and names the migration from which on no code uses it:
 *
 *     -- contract after 0009: no version since 0009 reads leads.note
 *
 * It runs at the end of a deploy, and only when the replaced version is that new.
 *
 * @module
 */

export interface Migration {
  /** File name, `0009_search.sql`. */
  name: string;
  sql: string;
}

/** Older than this rule; no deployed version uses what they dropped. */
const beforeTheRule = ['0002_imports.sql', '0006_find.sql'];

const contractLine = /^--\s*contract after (\d{4})\b/im;

/** Number of a migration, which orders it. */
export function migrationNumber(name: string): number {
  return Number(/^\d+/.exec(name)?.[0] ?? Number.NaN);
}

/** Number of the newest migration: what the code of this checkout was written for. */
export function schemaLevel(migrations: readonly Migration[]): number {
  return Math.max(0, ...migrations.map(({ name }) => migrationNumber(name)));
}

/** The level from which on versions do not use what this step removes; null for an expand step. */
export function contractAfter({ sql }: Migration): number | null {
  const number = contractLine.exec(sql)?.[1];
  return number === undefined ? null : Number(number);
}

/** Statements of a script without comments and texts, so that words in them are not taken for SQL. */
function bare(sql: string): string {
  return sql
    .replaceAll(/--[^\n]*/g, ' ')
    .replaceAll(/\/\*[\s\S]*?\*\//g, ' ')
    .replaceAll(/'(?:[^']|'')*'/g, "''")
    .replaceAll(/\s+/g, ' ');
}

/** Statements that can break the version before, each with the reason. */
const takings: readonly [pattern: RegExp, why: string][] = [
  [/\bDROP TABLE (?:IF EXISTS )?([^\s;]+)/gi, 'drops a table'],
  [/\bDROP VIEW (?:IF EXISTS )?([^\s;]+)/gi, 'drops a view'],
  [/\bDROP TRIGGER (?:IF EXISTS )?([^\s;]+)/gi, 'drops a trigger'],
  [/\bDROP INDEX (?:IF EXISTS )?([^\s;]+)/gi, 'drops an index, which a statement may name or need'],
  [/\bALTER TABLE (\S+) DROP\b/gi, 'drops a column'],
  [/\bALTER TABLE (\S+) RENAME\b/gi, 'renames'],
  [
    /\bALTER TABLE (\S+) ADD (?:COLUMN )?(?=[^;]*\bNOT NULL\b)(?![^;]*\bDEFAULT\b)/gi,
    'adds a column that must be written',
  ],
  [/\bPRAGMA writable_schema\b/gi, 'writes the schema by hand'],
];

/** The reasons why a migration is not expand-only; empty when it is. */
export function contractions(sql: string): string[] {
  const text = bare(sql);
  const namesOf = (pattern: RegExp): Set<string> =>
    new Set([...text.matchAll(pattern)].map(([, name = '']) => name));
  const created = namesOf(/\bCREATE (?:VIRTUAL )?TABLE (?:IF NOT EXISTS )?([^\s(;]+)/gi);
  // What is made anew under its name is replaced, not taken away; a table only where it is an index of words.
  const replaced = namesOf(
    /\bCREATE (?:UNIQUE |TEMP )?(?:INDEX|TRIGGER|VIEW|VIRTUAL TABLE) (?:IF NOT EXISTS )?([^\s(;]+)/gi,
  );
  const createdBefore = (name: string, index: number): boolean =>
    [...text.matchAll(/\bCREATE TABLE ([^\s(;]+)/gi)].some((it) => it[1] === name && it.index < index);
  const found: string[] = takings.flatMap(([pattern, why]) =>
    [...text.matchAll(pattern)]
      .filter(({ 0: statement, 1: name = '', index }) => {
        if (!/^DROP/i.test(statement)) return true;
        const dropped = name.replace(/;$/, '');
        // A table that this migration created itself.
        const isScratch = createdBefore(dropped, index);
        return !replaced.has(dropped) && !isScratch;
      })
      .map(([statement]) => `${statement.trim()}: ${why}`),
  );
  // Columns that are empty in every row, also in those that the version before writes.
  const empty = new Set(
    [...text.matchAll(/\bALTER TABLE (\S+) ADD (?:COLUMN )?(\w+)(?![^;]*\bDEFAULT\b)/gi)].map(
      ([, table, column]) => `${table}.${column}`,
    ),
  );
  for (const [statement, table = '', columns = ''] of text.matchAll(
    /\bCREATE UNIQUE INDEX \S+ ON ([^\s(;]+)(?: ?\(([\w, ]*)\))?/gi,
  )) {
    // No version writes to a new table yet; and a unique index takes any number of rows that are empty in a column.
    const isOpen = columns.split(',').some((column) => empty.has(`${table}.${column.trim()}`));
    if (!created.has(table) && !isOpen) found.push(`${statement.trim()}: refuses rows that were allowed`);
  }
  return found;
}

/** Faults of the migrations: those that remove something without the contract line. */
export function migrationFaults(migrations: readonly Migration[]): string[] {
  return migrations.flatMap((migration) => {
    const { name, sql } = migration;
    const after = contractAfter(migration);
    if (after !== null) {
      return after < migrationNumber(name)
        ? []
        : [`${name}: "contract after ${after}" names no earlier migration.`];
    }
    if (beforeTheRule.includes(name)) return [];
    return contractions(sql).map(
      (what) => `${name}: ${what}. Expand only, or mark it: -- contract after NNNN: why no version needs it`,
    );
  });
}

export interface MigrationPhases {
  /** Before the Worker is deployed. */
  before: string[];
  /** After it is deployed and answers. */
  after: string[];
  /** Left for a later deploy: the replaced version still uses what they remove. */
  held: string[];
}

/**
 * Sorts all migrations into phases. D1 remembers which were applied, so applied ones are included.
 *
 * @param replacedLevel - schema level of the version that is replaced; `none`: there is no version; null: unknown
 */
export function migrationPhases(
  migrations: readonly Migration[],
  replacedLevel: number | 'none' | null,
): MigrationPhases {
  const phases: MigrationPhases = { before: [], after: [], held: [] };
  for (const migration of migrations) {
    const after = contractAfter(migration);
    if (after === null || replacedLevel === 'none') phases.before.push(migration.name);
    else if (replacedLevel !== null && replacedLevel >= after) phases.after.push(migration.name);
    else phases.held.push(migration.name);
  }
  return phases;
}

/** Applied contract steps that removed something that a version of `level` uses. */
export function stepsAgainst(
  migrations: readonly Migration[],
  applied: readonly string[],
  level: number | null,
): string[] {
  return migrations
    .filter((migration) => {
      const after = contractAfter(migration);
      return after !== null && applied.includes(migration.name) && (level === null || level < after);
    })
    .map(({ name }) => name);
}

const tagPattern = /^schema-(\d+)$/;

/** Tag of a Worker version: the schema that its code was written for. */
export function schemaTag(level: number): string {
  return `schema-${String(level).padStart(4, '0')}`;
}

export function readSchemaTag(tag: string | undefined): number | null {
  const number = tagPattern.exec(tag ?? '')?.[1];
  return number === undefined ? null : Number(number);
}
