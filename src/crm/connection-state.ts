/**
 * What is known of a connected CRM beside its settings: the chosen fields, the last pull, and its allowance of calls.
 *
 * Owns the table `crm_connections`. Another host is another account, so what was chosen for one is never used for another.
 * Of two pulls at once, the one that wrote last is shown.
 *
 * @module
 */
import type { CrmAllowance, CrmPull } from '../shared/crm.ts';
import type { CrmTarget } from './port.ts';

export interface ConnectionState {
  /** Fields of the CRM and the lead fields that a pull fills from them; null: those of the settings. */
  fields: Readonly<Record<string, string>> | null;
  lastPull: CrmPull | null;
  allowance: CrmAllowance | null;
}

/** The name of an account, by which it is stored. */
export const accountOf = ({ provider, host }: Pick<CrmTarget, 'provider' | 'host'>): string =>
  `${provider}:${host}`;

/** What is known of an account; also of one that nothing was written for. */
export async function readConnection(db: D1Database, target: CrmTarget): Promise<ConnectionState> {
  const row = await db
    .prepare('SELECT fields, last_pull, allowance FROM crm_connections WHERE account = ?')
    .bind(accountOf(target))
    .first<{ fields: string | null; last_pull: string | null; allowance: string | null }>();
  // Written by the functions below only.
  return {
    fields: parse(row?.fields) as ConnectionState['fields'],
    lastPull: parse(row?.last_pull) as CrmPull | null,
    allowance: parse(row?.allowance) as CrmAllowance | null,
  };
}

/** Chooses the fields of a pull; null: those of the settings again. */
export function writeFields(
  db: D1Database,
  target: CrmTarget,
  fields: ConnectionState['fields'],
): Promise<void> {
  return write(db, target, 'fields', fields);
}

/** Notes the last pull, in place of the one before. */
export function writePull(db: D1Database, target: CrmTarget, pull: CrmPull): Promise<void> {
  return write(db, target, 'last_pull', pull);
}

/** Notes the allowance of calls, as the CRM's last answer has it. */
export function writeAllowance(db: D1Database, target: CrmTarget, allowance: CrmAllowance): Promise<void> {
  return write(db, target, 'allowance', allowance);
}

async function write(
  db: D1Database,
  target: CrmTarget,
  column: 'fields' | 'last_pull' | 'allowance',
  value: object | null,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO crm_connections (account, ${column}) VALUES (?1, ?2)
       ON CONFLICT (account) DO UPDATE SET ${column} = ?2`,
    )
    .bind(accountOf(target), value === null ? null : JSON.stringify(value))
    .run();
}

const parse = (text: string | null | undefined): unknown => (text == null ? null : JSON.parse(text));
