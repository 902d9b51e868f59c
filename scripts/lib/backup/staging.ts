/**
 * Builds the database of a restore as a separate file, before anything is written to the target.
 *
 * Owns loading and checking a backup, and merging later knowledge. Does not know the target.
 * Invariant: the file was checked completely, and it has no person who was erased after the backup. It has the later
 * mails and suppressions that the newer sources know.
 *
 * @module
 */
import { readFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { parse } from 'csv-parse/sync';
import { emailHash, normalizeEmail } from '../../../src/crm/email.ts';
import { eraseTraces, findLeadByEmail, personOf } from '../../../src/crm/personal-data.ts';
import { eraseLead, getLead } from '../../../src/crm/leads/lead.ts';
import { recoveryActions } from '../../../src/crm/recovery.ts';
import { UserError } from '../processes.ts';
import type { OpenBackup } from './backup-folder.ts';
import { queryOf } from './local-database.ts';
import { asD1 } from './sqlite-d1.ts';

/**
 * Ids that are left out after a restore. Leads that were made after the backup had the next ids, and sessions may
 * still know them by these: no lead that is made from now on gets one of them.
 */
const skippedIdCount = 1_000_000;

/**
 * Revisions that are left out after a restore: what changes from now on is later than the start of every session
 * that began after the backup. An import's chunk, a flip and an edit take one each.
 */
const skippedRevisionCount = 1_000_000_000;

/** Knowledge from after the backup. */
export interface LaterKnowledge {
  /** A later backup of the same installation, usually of the damaged database. */
  newer: OpenBackup | null;
  /** The audit as the app exports it, as CSV. */
  auditCsv: string | null;
}

/** What a restore did to the backup, for the person who restores. */
export interface StagingReport {
  leadCount: number;
  activeCount: number;
  suppressionCount: number;
  activationCount: number;
  /** Leads that a later backup has as mailed. */
  setActiveCount: number;
  /** Suppressions that a later backup has. */
  addedSuppressionCount: number;
  /** Who was erased after the backup, and is erased again: as the audit names them. */
  erasedTargets: string[];
  /** Erasures of addresses of which nothing was found. */
  unfoundTargets: string[];
}

/** Loads a backup into an empty database. @throws UserError when it differs from its manifest */
async function load(backup: OpenBackup, file: string): Promise<DatabaseSync> {
  const database = new DatabaseSync(file);
  try {
    // The file is discarded when this process ends early.
    database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN');
    for await (const statement of backup.statements()) database.exec(statement);
    if (!backup.manifest.isSnapshot) await deleteDanglingRows(database);
    database.exec('COMMIT');
    await check(database, backup);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${backup.folder} cannot be loaded: ${reason}. Nothing was restored.`);
  }
}

/** Whether a table of a backup, which may be of an earlier version, has a column. */
const hasColumn = async (database: DatabaseSync, table: string, column: string): Promise<boolean> =>
  (await queryOf(database)(`PRAGMA table_info(${table})`)).some((row) => row[1] === column);

/** Rows that were written during the backup may refer to rows that it does not have. */
async function deleteDanglingRows(database: DatabaseSync): Promise<void> {
  const last = (await hasColumn(database, 'import_leads', 'more_count')) ? 'lead_id + more_count' : 'lead_id';
  database.exec(`
    DELETE FROM template_versions WHERE template_id NOT IN (SELECT id FROM templates);
    DELETE FROM import_leads WHERE NOT EXISTS (SELECT 1 FROM leads WHERE id BETWEEN lead_id AND ${last});
    DELETE FROM import_leads WHERE import_number NOT IN (SELECT number FROM imports);
    UPDATE imports SET member_count = (
      SELECT count(*) FROM import_leads m CROSS JOIN leads l ON l.id BETWEEN lead_id AND ${last}
      WHERE import_number = imports.number)`);
}

async function check(database: DatabaseSync, { folder, manifest }: OpenBackup): Promise<void> {
  const query = queryOf(database);
  const refuse = (what: string): never => {
    throw new UserError(`${folder} is damaged: ${what}. Nothing was restored.`);
  };
  const [[integrity] = []] = await query('PRAGMA integrity_check');
  if (integrity !== 'ok') refuse(String(integrity));
  if ((await query('PRAGMA foreign_key_check')).length > 0) refuse('a row refers to a missing row');
  if (!manifest.isSnapshot) return;
  for (const [table, expected] of Object.entries(manifest.rowCounts)) {
    const [[found] = []] = await query(`SELECT count(*) FROM "${table}"`);
    if (found !== expected) refuse(`${table} has ${String(found)} rows of ${String(expected)}`);
  }
}

/**
 * Builds the database that is to be put in place.
 *
 * @param file - where; must not exist
 * @param now - of the audit entry that holds activations back until the reconciliation
 */
export async function stageRestore(
  backup: OpenBackup,
  file: string,
  later: LaterKnowledge,
  now: () => number,
): Promise<StagingReport> {
  if (later.newer !== null) requireSameInstallation(backup, later.newer);
  const database = await load(backup, file);
  try {
    const merged = later.newer === null ? null : await merge(database, later.newer, `${file}.newer`);
    const targets = await erasedTargets(database, later.auditCsv);
    const erasures = await eraseAgain(database, backup.addressHashKey, targets);
    if (await hasColumn(database, 'suppressions', 'lead_id')) {
      // Those of the later backup may name leads that have other ids here.
      database.exec(
        `UPDATE suppressions SET lead_id = l.id FROM leads l WHERE l.email_hash = suppressions.email_hash`,
      );
    }
    if (await hasColumn(database, 'lead_counts', 'revision')) {
      database.exec(`UPDATE lead_counts SET revision = revision + ${String(skippedRevisionCount)}`);
    }
    database.exec(`
      UPDATE sqlite_sequence SET seq = seq + ${String(skippedIdCount)} WHERE name = 'leads';
      UPDATE lead_counts SET new_count = (SELECT count(*) FROM leads WHERE status = 'new'),
        active_count = (SELECT count(*) FROM leads WHERE status = 'active')`);
    database
      .prepare(
        `INSERT INTO audit (at, actor, role, action, target, country, request_id, detail)
         VALUES (?, 'command line', NULL, ?, NULL, NULL, '', ?)`,
      )
      .run(now(), recoveryActions.opened, JSON.stringify(detailOf(backup, later)));
    database.exec("INSERT INTO leads_fts (leads_fts, rank) VALUES ('integrity-check', 1)");
    const counts = await queryOf(database)(
      `SELECT new_count + active_count, active_count, (SELECT count(*) FROM suppressions),
         (SELECT count(*) FROM activations) FROM lead_counts`,
    );
    const [leadCount, activeCount, suppressionCount, activationCount] = (counts[0] ?? []).map(Number);
    return {
      leadCount: leadCount ?? 0,
      activeCount: activeCount ?? 0,
      suppressionCount: suppressionCount ?? 0,
      activationCount: activationCount ?? 0,
      setActiveCount: merged?.setActiveCount ?? 0,
      addedSuppressionCount: merged?.addedSuppressionCount ?? 0,
      ...erasures,
    };
  } finally {
    database.close();
  }
}

function detailOf({ manifest }: OpenBackup, { newer }: LaterKnowledge): Record<string, string> {
  return {
    backupId: manifest.backupId,
    backupAt: manifest.createdAt,
    ...(newer === null ? {} : { newerBackupId: newer.manifest.backupId }),
  };
}

function requireSameInstallation(backup: OpenBackup, newer: OpenBackup): void {
  if (newer.addressHashKey !== backup.addressHashKey) {
    throw new UserError(
      `${newer.folder} is of another installation: its addresses are hashed with another key. Nothing was restored.`,
    );
  }
}

/** Takes from a later backup who was mailed, who must not be, and what was done. */
async function merge(
  database: DatabaseSync,
  newer: OpenBackup,
  file: string,
): Promise<{ setActiveCount: number; addedSuppressionCount: number }> {
  (await load(newer, file)).close();
  database.prepare('ATTACH ? AS newer').run(file);
  try {
    const query = queryOf(database);
    /** Columns that both have: the later one may have more. */
    const columnsOf = async (table: string): Promise<string> => {
      const names = async (schema: string): Promise<string[]> =>
        (await query(`PRAGMA ${schema}.table_info(${table})`)).map((row) => String(row[1]));
      const later = new Set(await names('newer'));
      return (await names('main')).filter((name) => later.has(name)).join(', ');
    };
    const copy = async (table: string, rest: string): Promise<number> => {
      const columns = await columnsOf(table);
      return Number(
        database
          .prepare(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM newer.${table} ${rest}`)
          .run().changes,
      );
    };
    database.exec('BEGIN');
    const addedSuppressionCount = await copy('suppressions', 'WHERE true ON CONFLICT DO NOTHING');
    await copy('suppression_removals', 'WHERE id NOT IN (SELECT id FROM main.suppression_removals)');
    await mergeAudit(database, columnsOf);
    await copy(
      'activations',
      `WHERE true ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, rev = excluded.rev,
         progress = excluded.progress WHERE excluded.rev > activations.rev`,
    );
    // Backups of older versions have neither.
    const mailedAt = (await columnsOf('leads')).includes('mailed_at')
      ? ', mailed_at = n.mailed_at, mailed_before = n.mailed_before'
      : '';
    if ((await columnsOf('erased_sessions')) !== '')
      await copy('erased_sessions', 'WHERE true ON CONFLICT DO NOTHING');
    const setActive = database
      .prepare(
        `UPDATE leads SET status = 'active', activated_at = n.activated_at, activated_by = n.activated_by${mailedAt}
         FROM newer.leads AS n
         WHERE leads.status = 'new' AND n.status = 'active' AND ((n.id = leads.id AND n.created_at = leads.created_at) OR n.email = leads.email)`,
      )
      .run();
    database.exec(`UPDATE main.sqlite_sequence SET seq = max(seq,
      (SELECT coalesce(max(seq), 0) FROM newer.sqlite_sequence WHERE name = 'leads')) WHERE name = 'leads'`);
    database.exec('COMMIT');
    return { setActiveCount: Number(setActive.changes), addedSuppressionCount };
  } finally {
    database.exec('DETACH newer');
  }
}

/**
 * Adds the entries that only the later backup has, under new ids: after a database was set back, both have gone on
 * from the same id.
 */
async function mergeAudit(
  database: DatabaseSync,
  columnsOf: (table: string) => Promise<string>,
): Promise<void> {
  const columns = (await columnsOf('audit')).split(', ').filter((name) => name !== 'id');
  const list = columns.join(', ');
  const isSame = columns.map((name) => `here.${name} IS there.${name}`).join(' AND ');
  database.exec(`INSERT INTO main.audit (${list}) SELECT ${list} FROM newer.audit AS there
    WHERE NOT EXISTS (SELECT 1 FROM main.audit AS here WHERE here.at = there.at AND ${isSame}) ORDER BY there.id`);
}

const erasures: ReadonlySet<string> = new Set(['lead.erase', 'person.erase', 'lead.bulkErase']);

/** Whom an entry says to be erased. An erasure of many leads names them in its detail. */
function targetsOf(target: string, detail: string): string[] {
  const { leadIds = [] } = (detail === '' ? {} : JSON.parse(detail)) as { leadIds?: readonly number[] };
  return [...(target === '' ? [] : [target]), ...leadIds.map((id) => `lead:${String(id)}`)];
}

/**
 * Whom the audit says to be erased, and when last: that of the database, with what was merged into it, and that
 * of a file.
 */
async function erasedTargets(database: DatabaseSync, auditCsv: string | null): Promise<Map<string, number>> {
  const targets = new Map<string, number>();
  const add = (target: string, at: number): void => {
    targets.set(target, Math.max(targets.get(target) ?? 0, at));
  };
  const rows = await queryOf(database)(
    `SELECT coalesce(target, ''), coalesce(detail, ''), at FROM audit
     WHERE action IN (${[...erasures].map((action) => `'${action}'`).join()})`,
  );
  for (const [target, detail, at] of rows)
    for (const one of targetsOf(String(target), String(detail))) add(one, Number(at));
  if (auditCsv === null) return targets;
  let entries: Record<string, string>[];
  try {
    entries = parse(await readFile(auditCsv), { columns: true, bom: true });
  } catch {
    throw new UserError(`${auditCsv} cannot be read as a CSV file. Nothing was restored.`);
  }
  if (entries.length > 0 && !('action' in (entries[0] ?? {}))) {
    throw new UserError(`${auditCsv} is not the audit: it has no column "action". Nothing was restored.`);
  }
  for (const { action = '', target = '', detail = '', at = '' } of entries) {
    if (!erasures.has(action)) continue;
    try {
      for (const one of targetsOf(target, detail)) add(one, Date.parse(at));
    } catch {
      throw new UserError(`${auditCsv} has an erasure whose detail cannot be read. Nothing was restored.`);
    }
  }
  return targets;
}

/**
 * Erases whom the audit says to be erased. Ids are never used twice, so a lead that was erased before the backup is
 * not found.
 */
async function eraseAgain(
  database: DatabaseSync,
  key: string,
  targets: ReadonlyMap<string, number>,
): Promise<Pick<StagingReport, 'erasedTargets' | 'unfoundTargets'>> {
  const db = asD1(database);
  const hashEmail = (email: string): string => emailHash(key, email);
  const erased: string[] = [];
  const hashes = new Map<string, string>();
  for (const target of targets.keys()) {
    const id = /^lead:(\d+)$/.exec(target)?.[1];
    const hash = /^address:([\w-]{43})$/.exec(target)?.[1];
    if (hash !== undefined) hashes.set(hash, target);
    const lead = id === undefined ? null : await getLead(db, Number(id));
    if (lead === null) continue;
    await eraseTraces(db, await personOf(db, lead, null), hashEmail);
    await eraseLead(db, lead.id);
    erased.push(target);
  }
  // The audit has no address, only its hash, which is compared with every address outside of the leads.
  const found = hashes.size === 0 ? new Set<string>() : await addressesIn(database);
  for (const address of found) {
    const hash = hashEmail(address);
    const target = hashes.get(hash);
    if (target === undefined) continue;
    const lead = await findLeadByEmail(db, address);
    // A person who was added after the erasure stays.
    if (lead !== null && lead.createdAt > (targets.get(target) ?? 0)) continue;
    const person =
      lead === null ? { leadId: null, emails: [address], names: [] } : await personOf(db, lead, null);
    await eraseTraces(db, person, hashEmail);
    if (lead !== null) await eraseLead(db, lead.id);
    hashes.delete(hash);
    erased.push(target);
  }
  return { erasedTargets: erased, unfoundTargets: [...hashes.values()] };
}

/** Every text in the form of an address in the columns that can have one. */
async function addressesIn(database: DatabaseSync): Promise<Set<string>> {
  const rows = await queryOf(database)(
    `SELECT email FROM leads UNION SELECT label FROM suppressions WHERE label IS NOT NULL
     UNION SELECT issues FROM import_chunks WHERE issues LIKE '%@%' UNION SELECT query FROM views`,
  );
  const addresses = new Set<string>();
  for (const [text] of rows) {
    const plain = decodeQuery(String(text));
    for (const [address] of plain.matchAll(/[^\s"'<>,;&=\\()[\]]+@[^\s"'<>,;&=\\()[\]]+/g)) {
      addresses.add(normalizeEmail(address));
    }
  }
  return addresses;
}

/** A saved view is a query string; everything else stays as it is. */
function decodeQuery(text: string): string {
  try {
    return text.includes('%40') ? decodeURIComponent(text) : text;
  } catch {
    return text;
  }
}
