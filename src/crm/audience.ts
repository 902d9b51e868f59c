/**
 * The audience of a session: counts it at the start, previews it, and pages it out for the planner.
 *
 * Owns the freeze: an audience is the leads that matched at a revision of the CRM, with `id <= maxLeadId`. It does
 * not use a clock. Count, preview and pages use one selection, so they cannot disagree. Invariant: a page has no
 * lead that the count at the start did not have, except one that another session has made new again since. Leads
 * that were edited or erased since are left out; the caller calls the difference `changed`.
 *
 * @module
 */
import { customFieldPattern } from '../shared/custom-fields.ts';
import { leadFields } from '../shared/lead-fields.ts';
import { mergeFields, type Recipient } from '../shared/recipient.ts';
import type { Audience } from '../shared/schemas/activation.ts';
import {
  byId,
  compileLeadFilter,
  isBeyondIn,
  leadConditions,
  spanWithSql,
  type LeadFilterOptions,
  type LeadSelection,
} from './leads/filter.ts';
import {
  recipientColumnsWith,
  eligibilitySql,
  toRecipient,
  uniqueSorted,
  type RecipientRow,
} from './leads/row.ts';

export type ResolvedAudience =
  | { kind: 'ok'; maxLeadId: number; total: number; revision: number }
  | { kind: 'empty' }
  /** These of the given ids do not exist, in ascending order. */
  | { kind: 'unknown_leads'; leadIds: number[] };

/** What an activation of the audience would do; `total` is the sum of the others. */
export interface AudienceCounts {
  total: number;
  willActivate: number;
  alreadyActive: number;
  suppressed: number;
  invalidAddress: number;
}

export interface AudiencePage {
  /** Ascending. */
  leadIds: number[];
  /** No page comes after this one. */
  done: boolean;
}

/** The leads of an audience, aliased `l`, as they are now unless `options` say otherwise. */
export function selectAudience(audience: Audience, options: LeadFilterOptions): LeadSelection {
  if ('leadIds' in audience) {
    return {
      from: 'leads l',
      countFrom: 'leads l',
      where: 'l.id IN (SELECT value FROM json_each(?))',
      params: [JSON.stringify(audience.leadIds)],
      id: 'l.id',
      idOrder: ['l.id'],
      isBeyond: isBeyondIn('l.id'),
    };
  }
  const selection = compileLeadFilter(audience.filter, options);
  if (audience.excludedIds === undefined || audience.excludedIds.length === 0) return selection;
  return {
    ...selection,
    where: `${selection.where} AND ${selection.id} NOT IN (SELECT value FROM json_each(?))`,
    params: [...selection.params, JSON.stringify(audience.excludedIds)],
  };
}

const readRevisionSql = 'SELECT revision FROM lead_counts';

/** Counts an audience and freezes it: its highest id, and the revision as of which {@link planPage} reads it. */
export async function resolveAudience(db: D1Database, audience: Audience): Promise<ResolvedAudience> {
  if ('leadIds' in audience) {
    const unknown = await db
      .prepare(
        `SELECT DISTINCT ids.value AS id FROM json_each(?) AS ids
         WHERE NOT EXISTS (SELECT 1 FROM leads l WHERE l.id = ids.value) ORDER BY ids.value`,
      )
      .bind(JSON.stringify(audience.leadIds))
      .all<{ id: number }>();
    if (unknown.results.length > 0) {
      return { kind: 'unknown_leads', leadIds: unknown.results.map((row) => row.id) };
    }
    const leadIds = uniqueSorted(audience.leadIds);
    const maxLeadId = leadIds.at(-1);
    return maxLeadId === undefined
      ? { kind: 'empty' }
      : // Ids that were chosen by hand always belong to the audience.
        { kind: 'ok', maxLeadId, total: leadIds.length, revision: 0 };
  }
  const { filter, excludedIds = [] } = audience;
  if (filter.importId !== undefined && leadConditions(filter).length === 1 && (filter.search ?? '') === '') {
    return resolveImport(db, filter.importId, excludedIds);
  }
  // One statement, so that the count belongs to this revision. Where it can, it does not read the leads themselves,
  // which at a million takes longer than everything else before the first mail.
  const { countFrom, where, params, id } = selectAudience(audience, {});
  const row = await db
    .prepare(
      `SELECT count(*) AS total, max(${id}) AS max_id, (${readRevisionSql}) AS revision
       FROM ${countFrom} WHERE ${where}`,
    )
    .bind(...params)
    .first<{ total: number; max_id: number | null; revision: number }>();
  return row === null || row.max_id === null
    ? { kind: 'empty' }
    : { kind: 'ok', maxLeadId: row.max_id, total: row.total, revision: row.revision };
}

/** {@link resolveAudience} for the leads of an import, whose number is stored. */
async function resolveImport(
  db: D1Database,
  importId: string,
  excludedIds: readonly number[],
): Promise<ResolvedAudience> {
  const isMember = `l.id <= (${spanWithSql('i.number', 'l.id', 'm.lead_id + m.more_count')})`;
  const row = await db
    .prepare(
      `SELECT i.member_count - (
           SELECT count(*) FROM leads l WHERE l.id IN (SELECT value FROM json_each(?2)) AND ${isMember}
         ) AS total,
         (SELECT m.lead_id + m.more_count FROM import_leads m WHERE m.import_number = i.number
          ORDER BY m.lead_id DESC LIMIT 1) AS max_id,
         (${readRevisionSql}) AS revision
       FROM imports i WHERE i.import_id = ?1`,
    )
    .bind(importId, JSON.stringify(excludedIds))
    .first<{ total: number; max_id: number | null; revision: number }>();
  return row === null || row.max_id === null || row.total === 0
    ? { kind: 'empty' }
    : { kind: 'ok', maxLeadId: row.max_id, total: row.total, revision: row.revision };
}

/**
 * What an activation that starts now would do. Ids that do not exist are not counted; {@link resolveAudience}
 * refuses them.
 */
export async function countAudience(db: D1Database, audience: Audience): Promise<AudienceCounts> {
  const { from, where, params } = selectAudience(audience, {});
  const { results } = await db
    .prepare(`SELECT ${eligibilitySql} AS eligibility, count(*) AS n FROM ${from} WHERE ${where} GROUP BY 1`)
    .bind(...params)
    .all<{ eligibility: string; n: number }>();
  const counts = new Map(results.map((row) => [row.eligibility, row.n]));
  return {
    total: results.reduce((sum, row) => sum + row.n, 0),
    willActivate: counts.get('mailable') ?? 0,
    alreadyActive: counts.get('already_active') ?? 0,
    suppressed: counts.get('suppressed') ?? 0,
    invalidAddress: counts.get('invalid_address') ?? 0,
  };
}

/** SQL of the value of a template field for leads aliased `l`; null for a name that is not a field of a lead. */
function emptyableSql(field: string): string | null {
  const found = mergeFields.find((name) => name === field);
  if (found !== undefined) return `l.${leadFields[found].column}`;
  const name = /^custom\.(.+)$/.exec(field)?.[1] ?? '';
  // A name has no character with a meaning in SQL or JSON.
  return customFieldPattern.test(name) ? `coalesce(l.custom ->> '${name}', '')` : null;
}

/**
 * For each of these fields, the number of leads that would get mail and have no value in it. Fields that no lead
 * lacks are left out, and so are names that are not fields of a lead.
 */
export async function countEmptyFields(
  db: D1Database,
  audience: Audience,
  fields: readonly string[],
): Promise<{ leadCount: number; emptyFields: { field: string; emptyCount: number }[] }> {
  const asked = fields.flatMap((field) => {
    const sql = emptyableSql(field);
    return sql === null ? [] : [{ field, sql }];
  });
  const { from, where, params } = selectAudience(audience, {});
  const sums = asked.map(({ field, sql }) => `, sum(trim(${sql}) = '') AS "${field}"`);
  const row = await db
    .prepare(
      `SELECT count(*) AS leadCount${sums.join('')} FROM ${from} WHERE ${where} AND ${eligibilitySql} = 'mailable'`,
    )
    .bind(...params)
    .first<Record<string, number | null>>();
  return {
    leadCount: row?.['leadCount'] ?? 0,
    emptyFields: asked
      .map(({ field }) => ({ field, emptyCount: row?.[field] ?? 0 }))
      .filter(({ emptyCount }) => emptyCount > 0),
  };
}

/**
 * The first leads, by id, of those that would get mail: what a preview renders.
 *
 * @param customFields - those that the template uses
 */
export async function sampleAudience(
  db: D1Database,
  audience: Audience,
  limit: number,
  customFields: readonly string[] = [],
): Promise<Recipient[]> {
  const selection = selectAudience(audience, { drive: 'id' });
  const { from, where, params } = selection;
  const { results } = await db
    .prepare(
      `SELECT ${recipientColumnsWith(customFields)} FROM ${from}
       WHERE ${where} AND ${eligibilitySql} = 'mailable' ORDER BY ${byId(selection)} LIMIT ?`,
    )
    .bind(...params, limit)
    .all<RecipientRow>();
  return results.map((row) => toRecipient(row, customFields));
}

/**
 * The next leads of a frozen audience, in the order of their ids, after `afterLeadId` (0 at first).
 *
 * Keeps no state: the same arguments give the same leads, less those edited or erased since. Ids that were chosen by
 * hand are always returned.
 */
export async function planPage(
  db: D1Database,
  plan: { audience: Audience; afterLeadId: number; maxLeadId: number; revision: number; limit: number },
): Promise<AudiencePage> {
  const { audience, afterLeadId, maxLeadId, revision, limit } = plan;
  if ('leadIds' in audience) {
    const rest = uniqueSorted(audience.leadIds).filter((id) => id > afterLeadId && id <= maxLeadId);
    return { leadIds: rest.slice(0, limit), done: rest.length <= limit };
  }
  const selection = selectAudience(audience, { asOf: revision, drive: 'id' });
  const { from, where, params, id } = selection;
  const beyond = selection.isBeyond(afterLeadId);
  // One row of JSON, because D1 takes longer to return thousands of rows than to find them.
  const row = await db
    .prepare(
      `SELECT json_group_array(id) AS ids FROM (
         SELECT l.id FROM ${from} WHERE ${where} AND ${beyond.sql} AND ${id} <= ?
         ORDER BY ${byId(selection)} LIMIT ?)`,
    )
    .bind(...params, ...beyond.params, maxLeadId, limit)
    .first<{ ids: string }>();
  const leadIds = uniqueSorted(JSON.parse(row?.ids ?? '[]') as number[]);
  return { leadIds, done: leadIds.length < limit };
}
