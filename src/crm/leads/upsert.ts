/**
 * Writes leads as other systems have them: reads the leads that are meant, plans (upsert-plan.ts), and writes the plan
 * in one transaction, in a few statements for a thousand leads.
 *
 * Invariants: a plan is written only if the leads that it was made from are as they were; otherwise it is made anew. The
 * status and the mail of a lead are not touched, also while an activation sets it active: a flip is no edit.
 *
 * @module
 */
import { leadFieldNames, leadFields, perField } from '../../shared/lead-fields.ts';
import type { ExternalId, LeadUpsertResult } from '../../shared/schemas/leads.ts';
import { addressKey, type HashEmail, isUsableEmail, normalizeEmail } from '../email.ts';
import { jsonRows } from '../json-rows.ts';
import { logChangeOf } from './changes.ts';
import { rememberNames } from './custom-fields.ts';
import { keepingAnswer, isKeyTaken, type IdempotencyKey, type StoredItem, resultsOf } from './idempotency.ts';
import { leadColumns, nextRevisionSql, toLead, type LeadRow } from './row.ts';
import {
  externalKey,
  planUpserts,
  type KnownLead,
  type LeadContent,
  type PlannedItem,
  type PlannedLead,
  type UpsertItem,
  type UpsertPlan,
} from './upsert-plan.ts';

export type UpsertAnswer =
  | { kind: 'ok'; results: LeadUpsertResult[] }
  /** An answer is kept by the key since this request began. */
  | { kind: 'key_taken' }
  /** Others changed the same leads again and again. Nothing was written. */
  | { kind: 'busy' };

/** A plan is made anew where a lead has changed since. Few write the same leads at the same time. */
const maxAttemptCount = 5;

/**
 * Creates and changes leads, each item after the one before.
 *
 * @param upsert.onlyNew - writes nothing unless every item creates a lead; the results say what it would have done
 * @param upsert.key - keeps the answer by it, in the same transaction
 * @throws what D1 throws; then all of it was written or nothing, and a repeat is safe
 */
export async function upsertLeads(
  db: D1Database,
  upsert: {
    items: readonly UpsertItem[];
    nowMs: number;
    hashEmail: HashEmail;
    onlyNew?: boolean;
    key?: IdempotencyKey | null;
  },
): Promise<UpsertAnswer> {
  const { items, nowMs, hashEmail, onlyNew = false, key = null } = upsert;
  for (let attempt = 0; attempt < maxAttemptCount; attempt++) {
    const known = await readKnown(db, items);
    const plan = planUpserts(items, known);
    const stored = storedItems(plan);
    const isWritten =
      !(onlyNew && plan.created.length < items.length) &&
      (key !== null || plan.created.length + plan.updated.length > 0);
    if (!isWritten) return { kind: 'ok', results: resultsOf(stored, []) };
    try {
      const results = await db.batch<{ ids: string }>([
        guard(db, items, known),
        ...changing(db, plan, { nowMs, hashEmail, names: customNames(items) }),
        ...(key === null
          ? []
          : [
              keepingAnswer(db, {
                key,
                items: stored,
                createdIds: createdIdsSql,
                emails: emailsOf(plan.created),
              }),
            ]),
        db.prepare(`SELECT ${createdIdsSql} AS ids`).bind(emailsOf(plan.created)),
      ]);
      const createdIds = JSON.parse(results.at(-1)?.results[0]?.ids ?? '[]') as number[];
      return { kind: 'ok', results: resultsOf(stored, createdIds) };
    } catch (error) {
      if (isKeyTaken(error)) return { kind: 'key_taken' };
      if (!isStale(error)) throw error;
    }
  }
  return { kind: 'busy' };
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────

/** The addresses and external ids by which the items mean leads, each once. */
function meant(items: readonly UpsertItem[]): { emails: string[]; externalIds: ExternalId[] } {
  const leads = items.flatMap((item) => ('lead' in item ? [item.lead] : []));
  const emails = leads.flatMap(({ email }) => (email === undefined ? [] : [normalizeEmail(email)]));
  const externalIds = leads.flatMap(({ externalId }) => (externalId === undefined ? [] : [externalId]));
  return {
    emails: [...new Map(emails.map((email) => [addressKey(email), email])).values()],
    externalIds: [...new Map(externalIds.map((id) => [externalKey(id), id])).values()],
  };
}

// CROSS JOIN fixes the order: otherwise SQLite would compare every lead with every item.
const readKnownSql = `SELECT ${leadColumns}, l.revision FROM leads l WHERE l.id IN (
    SELECT f.id FROM json_each(?1) AS r CROSS JOIN leads f ON f.email = r.value
    UNION
    SELECT f.id FROM json_each(?2) AS r CROSS JOIN leads f
      ON f.external_id = (r.value ->> 1) AND f.external_source = (r.value ->> 0))`;

async function readKnown(db: D1Database, items: readonly UpsertItem[]): Promise<KnownLead[]> {
  const { emails, externalIds } = meant(items);
  if (emails.length + externalIds.length === 0) return [];
  const { results } = await db
    .prepare(readKnownSql)
    .bind(JSON.stringify(emails), JSON.stringify(externalIds.map(({ source, id }) => [source, id])))
    .all<LeadRow & { revision: number }>();
  return results.map(({ revision, ...row }) => {
    const lead = toLead(row);
    const { custom, tags } = row;
    const content: LeadContent = {
      ...perField(leadFieldNames, (field) => lead[field]),
      externalId: lead.externalId,
      custom,
      tags,
    };
    return { id: lead.id, revision, content };
  });
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

const isOtherSql = (rows: string, condition: string): string =>
  `EXISTS (SELECT 1 FROM json_each(${rows}) AS r
     WHERE (SELECT l.id || '.' || l.revision FROM leads l WHERE ${condition}) IS NOT (r.value ->> 0))`;

// A row that the table refuses, which ends the transaction; no row where every lead is as it was.
const guardSql = `INSERT INTO lead_changes (revision, at, lead_ids) SELECT -1, NULL, ''
  WHERE ${isOtherSql('?1', 'l.email = (r.value ->> 1)')}
    OR ${isOtherSql('?2', 'l.external_id = (r.value ->> 2) AND l.external_source = (r.value ->> 1)')}`;

/** The statement that ends the transaction where a lead that the items mean has come, gone or changed since. */
function guard(
  db: D1Database,
  items: readonly UpsertItem[],
  known: readonly KnownLead[],
): D1PreparedStatement {
  const { emails, externalIds } = meant(items);
  const byAddress = new Map(known.map((lead) => [addressKey(lead.content.email), lead]));
  const byExternalId = new Map(
    known.flatMap((lead) => {
      const { externalId } = lead.content;
      return externalId === null ? [] : [[externalKey(externalId), lead] as const];
    }),
  );
  const stateOf = (lead: KnownLead | undefined): string | null =>
    lead === undefined ? null : `${lead.id}.${lead.revision}`;
  return db
    .prepare(guardSql)
    .bind(
      JSON.stringify(emails.map((email) => [stateOf(byAddress.get(addressKey(email))), email])),
      JSON.stringify(externalIds.map((id) => [stateOf(byExternalId.get(externalKey(id))), id.source, id.id])),
    );
}

const isStale = (error: unknown): boolean =>
  error instanceof Error && error.message.includes('NOT NULL constraint failed: lead_changes.at');

type Value = string | number | null;

/** A lead's columns and their values. */
function columnsOf(content: LeadContent): Record<string, Value> {
  return {
    ...Object.fromEntries(leadFieldNames.map((field) => [leadFields[field].column, content[field]])),
    custom: content.custom,
    tags: content.tags,
    external_source: content.externalId?.source ?? null,
    external_id: content.externalId?.id ?? null,
  };
}

const addressColumns = (email: string, hashEmail: HashEmail): Record<string, Value> => ({
  email_valid: isUsableEmail(email) ? 1 : 0,
  email_hash: hashEmail(email),
});

/** JSON of the addresses of new leads, in the order of the plan. */
const emailsOf = (leads: readonly PlannedLead[]): string =>
  JSON.stringify(leads.map(({ content }) => content.email));

/** SQL of the ids of the leads with the addresses in ?1, as a JSON array in their order. */
const createdIdsSql = `(SELECT json_group_array(id) FROM (
  SELECT l.id FROM json_each(?1) AS r CROSS JOIN leads l ON l.email = r.value ORDER BY r.key))`;

/** The statements that write the plan, raise the revision and log the change; none where it changes nothing. */
function changing(
  db: D1Database,
  { created, updated }: UpsertPlan,
  { nowMs, hashEmail, names }: { nowMs: number; hashEmail: HashEmail; names: readonly string[] },
): D1PreparedStatement[] {
  if (created.length + updated.length === 0) return [];
  const made = created.map(({ content }) => ({
    ...columnsOf(content),
    ...addressColumns(content.email, hashEmail),
  }));
  const changed = updated.map(({ known, content }) => {
    const before = columnsOf(known.content);
    const after = columnsOf(content);
    const differing = Object.entries(after).filter(([column, value]) => before[column] !== value);
    return {
      id: known.id,
      columns: {
        ...Object.fromEntries(differing),
        ...(before.email === after.email ? {} : addressColumns(content.email, hashEmail)),
      },
    };
  });
  return [
    ...rememberNames(db, names, { sql: '1', params: [] }),
    ...inserts(db, made, nowMs),
    ...updates(db, changed, nowMs),
    db
      .prepare('UPDATE lead_counts SET revision = revision + 1, new_count = new_count + ?')
      .bind(created.length),
    logChangeOf(
      db,
      `?2 || coalesce(',' || (
         SELECT group_concat(l.id) FROM json_each(?1) AS r CROSS JOIN leads l ON l.email = r.value), '')`,
      emailsOf(created),
      updated.map(({ known }) => known.id).join(','),
    ),
  ];
}

function inserts(
  db: D1Database,
  rows: readonly Record<string, Value>[],
  nowMs: number,
): D1PreparedStatement[] {
  const columns = Object.keys(rows[0] ?? {});
  const cells = columns.map((_, at) => `r.value ->> ${at}`);
  const sql = `INSERT INTO leads (${columns.join(', ')}, created_at, updated_at, revision)
    SELECT ${cells.join(', ')}, ?2, ?2, ${nextRevisionSql} FROM json_each(?1) AS r ORDER BY r.key`;
  return jsonRows(rows.map((row) => JSON.stringify(columns.map((column) => row[column])))).map((json) =>
    db.prepare(sql).bind(json, nowMs),
  );
}

function updates(
  db: D1Database,
  rows: readonly { id: number; columns: Record<string, Value> }[],
  nowMs: number,
): D1PreparedStatement[] {
  // Only what some lead changes: each column that is written costs its index and its words, changed or not.
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.columns)))];
  const assignments = columns.map((column, at) => `${column} = coalesce(r.value ->> ${at + 1}, l.${column})`);
  const sql = `UPDATE leads AS l SET ${assignments.join(', ')}, updated_at = ?2, revision = ${nextRevisionSql}
    FROM json_each(?1) AS r WHERE l.id = (r.value ->> 0)`;
  const json = rows.map((row) =>
    JSON.stringify([row.id, ...columns.map((column) => row.columns[column] ?? null)]),
  );
  return jsonRows(json).map((group) => db.prepare(sql).bind(group, nowMs));
}

const customNames = (items: readonly UpsertItem[]): string[] => [
  ...new Set(items.flatMap((item) => ('lead' in item ? Object.keys(item.lead.custom ?? {}) : []))),
];

// ── the answer ───────────────────────────────────────────────────────────────────────────────────

/** What became of the items, in a form that is the same before and after new leads have their ids. */
function storedItems(plan: UpsertPlan): StoredItem[] {
  const placeOf = new Map(plan.created.map((lead, index) => [lead, index]));
  return plan.items.map((item: PlannedItem): StoredItem => {
    if (item.outcome === 'refused') return ['refused', { ...item.problem, errors: [...item.problem.errors] }];
    const { lead } = item;
    return lead.known === null
      ? [item.outcome, null, placeOf.get(lead) ?? -1]
      : [item.outcome, lead.known.id];
  });
}
