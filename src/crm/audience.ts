/**
 * The audience of a session: counts it at the start, previews it, and pages it out for the planner.
 *
 * Owns the freeze: an audience is the leads that matched at a revision of the CRM, with `id <= maxLeadId`. It does
 * not use a clock. Counts, samples and pages use one selection, so they cannot disagree. Invariant: a page has no
 * lead that the count at the start did not have, except one that another session has made new again since. Leads
 * that were edited or erased since are left out; the caller calls the difference `changed`.
 *
 * @module
 */
import { customFieldPattern } from '../shared/custom-fields.ts';
import { leadFields } from '../shared/lead-fields.ts';
import type { AudienceOutcomes } from '../shared/manifest.ts';
import { mergeFields, type Recipient } from '../shared/recipient.ts';
import type { Audience } from '../shared/schemas/activation.ts';
import { uniqueSorted } from '../shared/unique-sorted.ts';
import {
  byId,
  compileLeadFilter,
  isBeyondIn,
  pageBeyond,
  type LeadFilterOptions,
  type LeadSelection,
  type SqlValue,
} from './leads/filter.ts';
import {
  recipientColumnsWith,
  eligibilitySql,
  timeSql,
  toRecipient,
  type RecipientRow,
} from './leads/row.ts';

/** An audience as it is now. */
export interface PresentAudience<Outcomes = AudienceOutcomes | null> {
  kind: 'ok';
  maxLeadId: number;
  total: number;
  /** The revision as of which {@link planPage} reads it. */
  revision: number;
  /** A checksum: it differs where as many other leads are meant. */
  members: string;
  /** What an activation that starts now would do; null where it was not counted. */
  outcomes: Outcomes;
}

export type ResolvedAudience<Outcomes = AudienceOutcomes | null> =
  | PresentAudience<Outcomes>
  | { kind: 'empty' }
  /** These of the given ids do not exist, in ascending order. */
  | { kind: 'unknown_leads'; leadIds: number[] };

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

/** Those of these ids that no lead has, in ascending order. */
export async function unknownLeadIds(db: D1Database, leadIds: readonly number[]): Promise<number[]> {
  const { results } = await db
    .prepare(
      `SELECT DISTINCT ids.value AS id FROM json_each(?) AS ids
       WHERE NOT EXISTS (SELECT 1 FROM leads l WHERE l.id = ids.value) ORDER BY ids.value`,
    )
    .bind(JSON.stringify(leadIds))
    .all<{ id: number }>();
  return results.map(({ id }) => id);
}

/** Of an id: Knuth's multiplicative hash. */
const scrambledSql = (id: string): string => `((${id} * 2654435761) & 4294967295)`;

/**
 * SQL of a checksum over the ids of a selection: their sum, and that of each scrambled id folded, so that sets with the
 * same sum differ too. It does not depend on the order in which they are read, and need not withstand an attacker. As
 * text, because D1 answers numbers of at most 53 bits.
 *
 * @param condition - SQL of 1 for an id that counts and 0 for one that does not; left out: all count
 */
function checksumSql(id: string, scrambled: string, condition?: string): string {
  const only = condition === undefined ? '' : `(${condition}) * `;
  return `sum(${only}${id}) || '.' || sum(${only}(${scrambled} & 65535) * (${scrambled} >> 16))`;
}

interface CountedRow extends AudienceOutcomes {
  total: number;
  maxLeadId: number | null;
  revision: number;
  members: string;
}

const readRevisionSql = '(SELECT revision FROM lead_counts) AS revision';

/**
 * Counts an audience and freezes it: its highest id, and the revision as of which {@link planPage} reads it. It does
 * not read the leads themselves, which at a million takes longer than everything else before the first mail.
 */
export async function resolveAudience(db: D1Database, audience: Audience): Promise<ResolvedAudience<null>> {
  const { countFrom, where, params, id } = selectAudience(audience, {});
  const sql = `SELECT count(*) AS total, max(${id}) AS maxLeadId, ${readRevisionSql},
      ${checksumSql(id, scrambledSql(id))} AS members
    FROM ${countFrom} WHERE ${where}`;
  return readAudience(db, audience, { sql, params, outcomesOf: () => null });
}

/**
 * The same as {@link resolveAudience}, with what an activation that starts now would do. It reads each lead once: who
 * would get the mail is said by the leads themselves.
 *
 * @param mailedAfter - leads that were mailed after this time, epoch ms, get no mail; null: it does not matter
 * @param upTo - leads with a higher id do not count
 */
export async function countAudience(
  db: D1Database,
  audience: Audience,
  mailedAfter: number | null = null,
  upTo = Number.MAX_SAFE_INTEGER,
): Promise<ResolvedAudience<AudienceOutcomes>> {
  const { from, where, params, id } = selectAudience(audience, {});
  const bound = upTo === Number.MAX_SAFE_INTEGER ? '' : ` AND ${id} <= ?`;
  // `LIMIT -1` keeps SQLite from merging the inner query into the sums, where each of them would look for the lead's
  // suppression again (sqlite.org/optoverview.html#subquery_flattening, rule 13).
  const sql = `SELECT count(*) AS total, max(id) AS maxLeadId, ${readRevisionSql},
      sum(eligibility = 'mailable') AS willActivate, sum(eligibility = 'already_active') AS alreadyActive,
      sum(eligibility = 'suppressed') AS suppressed, sum(eligibility = 'invalid_address') AS invalidAddress,
      sum(eligibility = 'recently_mailed') AS recentlyMailed,
      ${checksumSql('id', 'scrambled')} AS members,
      ${checksumSql('id', 'scrambled', "eligibility = 'mailable'")} AS recipients
    FROM (SELECT ${id} AS id, ${scrambledSql(id)} AS scrambled,
        ${eligibilitySql(timeSql(mailedAfter))} AS eligibility
      FROM ${from} WHERE ${where}${bound} LIMIT -1)`;
  return readAudience(db, audience, {
    sql,
    params: bound === '' ? params : [...params, upTo],
    outcomesOf: ({ willActivate, alreadyActive, suppressed, invalidAddress, recentlyMailed, recipients }) => {
      return { willActivate, alreadyActive, suppressed, invalidAddress, recentlyMailed, recipients };
    },
  });
}

/** One statement, so that all of it belongs to one revision of the CRM. */
async function readAudience<Outcomes>(
  db: D1Database,
  audience: Audience,
  query: { sql: string; params: readonly SqlValue[]; outcomesOf: (row: CountedRow) => Outcomes },
): Promise<ResolvedAudience<Outcomes>> {
  const isPicked = 'leadIds' in audience;
  if (isPicked) {
    const leadIds = await unknownLeadIds(db, audience.leadIds);
    if (leadIds.length > 0) return { kind: 'unknown_leads', leadIds };
  }
  const row = await db
    .prepare(query.sql)
    .bind(...query.params)
    .first<CountedRow>();
  if (row === null || row.maxLeadId === null) return { kind: 'empty' };
  return {
    kind: 'ok',
    maxLeadId: row.maxLeadId,
    total: row.total,
    revision: row.revision,
    members: row.members,
    outcomes: query.outcomesOf(row),
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
  mailedAfter: number | null = null,
): Promise<{ leadCount: number; emptyFields: { field: string; emptyCount: number }[] }> {
  const asked = fields.flatMap((field) => {
    const sql = emptyableSql(field);
    return sql === null ? [] : [{ field, sql }];
  });
  const { from, where, params } = selectAudience(audience, {});
  const sums = asked.map(({ field, sql }) => `, sum(trim(${sql}) = '') AS "${field}"`);
  const row = await db
    .prepare(
      `SELECT count(*) AS leadCount${sums.join('')} FROM ${from}
       WHERE ${where} AND ${eligibilitySql(timeSql(mailedAfter))} = 'mailable'`,
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
 * @param options.customFields - those that the template uses
 * @param options.mailedAfter - as for {@link countAudience}
 */
export async function sampleAudience(
  db: D1Database,
  audience: Audience,
  limit: number,
  {
    customFields = [],
    mailedAfter = null,
  }: { customFields?: readonly string[]; mailedAfter?: number | null } = {},
): Promise<Recipient[]> {
  const selection = selectAudience(audience, { drive: 'id' });
  const { from, where, params } = selection;
  const { results } = await db
    .prepare(
      `SELECT ${recipientColumnsWith(customFields)} FROM ${from}
       WHERE ${where} AND ${eligibilitySql(timeSql(mailedAfter))} = 'mailable' ORDER BY ${byId(selection)} LIMIT ?`,
    )
    .bind(...params, limit)
    .all<RecipientRow>();
  return results.map((row) => toRecipient(row, customFields));
}

/**
 * Leads of an audience that would get mail, from all over it: the first, the last, and others by chance.
 *
 * @param options.upTo - the audience's highest id
 * @param options.chances - numbers from 0 to 1, each for one lead between; the same numbers find the same leads
 */
export async function sampleAcross(
  db: D1Database,
  audience: Audience,
  {
    customFields = [],
    mailedAfter = null,
    upTo,
    chances,
  }: {
    customFields?: readonly string[];
    mailedAfter?: number | null;
    upTo: number;
    chances: readonly number[];
  },
): Promise<Recipient[]> {
  const selection = selectAudience(audience, { drive: 'id' });
  const { from, id } = selection;
  const limit = chances.length + 2;
  const statement = (beyond: number, direction: 'ASC' | 'DESC'): D1PreparedStatement => {
    const { where, params } = pageBeyond(selection, beyond, direction);
    return db
      .prepare(
        `SELECT ${recipientColumnsWith(customFields)} FROM ${from}
         WHERE ${where} AND ${id} <= ? AND ${eligibilitySql(timeSql(mailedAfter))} = 'mailable'
         ORDER BY ${byId(selection, direction)} LIMIT ?`,
      )
      .bind(...params, upTo, limit);
  };
  const read = async (statements: D1PreparedStatement[]): Promise<Recipient[][]> =>
    statements.length === 0
      ? []
      : (await db.batch<RecipientRow>(statements)).map(({ results }) =>
          results.map((row) => toRecipient(row, customFields)),
        );
  const [first = [], last = []] = await read([statement(0, 'ASC'), statement(upTo + 1, 'DESC')]);
  // Between the two, and not among all ids: its leads may be some of the oldest.
  const [lowest, highest] = [first[0]?.leadId ?? 0, last[0]?.leadId ?? 0];
  const starts = chances.map((chance) => lowest + Math.floor(chance * (highest - lowest)));
  const pages = await read(starts.map((start) => statement(start, 'ASC')));
  const found = new Map<number, Recipient>();
  // Of each page the first lead that is not shown already; behind the last of them, one of the first.
  for (const page of [first, last, ...pages]) {
    const recipient = [...page, ...first].find(({ leadId }) => !found.has(leadId));
    if (recipient !== undefined) found.set(recipient.leadId, recipient);
  }
  return [...found.values()].sort((one, other) => one.leadId - other.leadId);
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
  const { from, id } = selection;
  const { where, params } = pageBeyond(selection, afterLeadId);
  // One row of JSON, because D1 takes longer to return thousands of rows than to find them.
  const row = await db
    .prepare(
      `SELECT json_group_array(id) AS ids FROM (
         SELECT l.id FROM ${from} WHERE ${where} AND ${id} <= ?
         ORDER BY ${byId(selection)} LIMIT ?)`,
    )
    .bind(...params, maxLeadId, limit)
    .first<{ ids: string }>();
  const leadIds = uniqueSorted(JSON.parse(row?.ids ?? '[]') as number[]);
  return { leadIds, done: leadIds.length < limit };
}
