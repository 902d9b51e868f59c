/**
 * A CRM database as a file, as the migrations make it, for the tests of backup and restore.
 *
 * @module
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { emailHash } from '../../src/crm/email.ts';
import type { BackupSource } from '../../scripts/lib/backup/backup-folder.ts';
import { queryOf } from '../../scripts/lib/backup/local-database.ts';
import { projectRoot } from '../../scripts/lib/local-state.ts';

export const passphrase = 'correct horse battery staple';
export const addressHashKey = 'key-of-the-address-hash-of-this-test';
/** scrypt as cheap as it gets: what it costs is not what these tests are about. */
export const cheapCost = { N: 16, r: 8, p: 1 };

/** A folder of a test, which removes it. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'lead-activation-backup-'));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** An empty CRM database with all migrations, as `wrangler d1 migrations apply` leaves it. */
export function crmFile(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
  const folder = join(projectRoot, 'migrations');
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  database.exec(`CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`);
  for (const name of names) {
    database.exec(readFileSync(join(folder, name), 'utf8'));
    database.prepare('INSERT INTO d1_migrations (name) VALUES (?)').run(name);
  }
  return database;
}

/** Adds new leads and counts them. */
export function addLeads(database: DatabaseSync, emails: readonly string[], createdAt = 1): void {
  const insert = database.prepare(
    'INSERT INTO leads (email, email_hash, last_name, created_at, updated_at) VALUES (?, ?, ?, ?, ?)',
  );
  database.exec('BEGIN');
  for (const email of emails) {
    insert.run(email, emailHash(addressHashKey, email), `Name ${email}`, createdAt, createdAt);
  }
  database.exec(`UPDATE lead_counts SET new_count = (SELECT count(*) FROM leads WHERE status = 'new'),
    active_count = (SELECT count(*) FROM leads WHERE status = 'active');
    COMMIT`);
}

/** A source of a backup over an open database. */
export function sourceOf(database: DatabaseSync, change: Partial<BackupSource> = {}): BackupSource {
  return {
    name: 'test',
    query: queryOf(database),
    settings: { vars: { MAIL_RATE: '8' }, secrets: ['MAIL_API_KEY'] },
    addressHashKey,
    wasStill: () => Promise.resolve(true),
    ...change,
  };
}

/** Every row of every table but those of the search index, as text. */
export async function contentOf(database: DatabaseSync): Promise<Record<string, unknown>> {
  const query = queryOf(database);
  const names = await query(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'leads_fts*' ORDER BY name",
  );
  const tables = names.map(
    async ([name]) => [String(name), await query(`SELECT * FROM "${String(name)}"`)] as const,
  );
  return Object.fromEntries(await Promise.all(tables));
}
