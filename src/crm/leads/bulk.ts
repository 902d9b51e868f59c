/**
 * What is done with many leads at once: each call with the next leads of an audience, in the order of their ids, so
 * that a call is bounded however many leads there are.
 *
 * Does not decide who may do it, and does not erase (operations/erasure.ts does, lead by lead).
 * Invariant: leads that came after the first call are not touched.
 *
 * @module
 */
import { leadFieldNames, leadFields } from '../../shared/lead-fields.ts';
import { limits } from '../../shared/limits.ts';
import type { Audience } from '../../shared/schemas/activation.ts';
import type { BulkEdit, SkippedReason } from '../../shared/schemas/lead-bulk.ts';
import type { FoundLead, Lead } from '../../shared/schemas/leads.ts';
import { uniqueSorted } from '../../shared/unique-sorted.ts';
import { selectAudience } from '../audience.ts';
import { logChange, raiseRevision } from './changes.ts';
import { byId, pageBeyond } from './filter.ts';
import { tagLabels, labelsIn } from './labels.ts';
import {
  eligibilitySql,
  leadColumns,
  nextRevisionSql,
  toFoundLead,
  toLead,
  timeSql,
  unmailableSql,
  type FoundLeadRow,
  type LeadRow,
} from './row.ts';

/** Where the next call goes on. `untilId`: the highest id that there was at the first call. */
export interface BulkPlace {
  afterId: number;
  untilId: number;
}

export interface BulkPage {
  leadIds: number[];
  /** The highest id that there was at the first call. */
  untilId: number;
  /** Null: these are the last. */
  next: BulkPlace | null;
}

/** The next leads of an audience. */
export async function bulkPage(
  db: D1Database,
  query: { audience: Audience; place: BulkPlace | null; limit: number },
): Promise<BulkPage> {
  const { audience, limit } = query;
  const { afterId, untilId } = query.place ?? { afterId: 0, untilId: await highestId(db) };
  const leadIds = await idsAfter(db, audience, { afterId, untilId, limit });
  const last = leadIds.at(-1);
  return {
    leadIds,
    untilId,
    next: last === undefined || leadIds.length < limit ? null : { afterId: last, untilId },
  };
}

async function highestId(db: D1Database): Promise<number> {
  return (await db.prepare('SELECT max(id) AS id FROM leads').first<number>('id')) ?? 0;
}

async function idsAfter(
  db: D1Database,
  audience: Audience,
  page: { afterId: number; untilId: number; limit: number },
): Promise<number[]> {
  const { afterId, untilId, limit } = page;
  if ('leadIds' in audience) {
    return uniqueSorted(audience.leadIds)
      .filter((id) => id > afterId && id <= untilId)
      .slice(0, limit);
  }
  const selection = selectAudience(audience, { drive: 'id' });
  const { from, id } = selection;
  const { where, params } = pageBeyond(selection, afterId);
  const { results } = await db
    .prepare(
      `SELECT ${id} AS id FROM ${from} WHERE ${where} AND ${id} <= ?
       ORDER BY ${byId(selection)} LIMIT ?`,
    )
    .bind(...params, untilId, limit)
    .all<{ id: number }>();
  return results.map((row) => row.id);
}

/**
 * D1 takes 1,000 queries of one invocation, and a query may answer with 50 MB
 * (https://developers.cloudflare.com/d1/platform/limits/). At this size 1 M leads are 501 queries.
 */
const exportPageLeadCount = 2_000;
/** A character has at most 4 bytes in UTF-8. */
const exportPageLength = 8_000_000;

/** All leads of an audience for an export, in the order of their ids: one query a page. */
export async function* exportPages(db: D1Database, audience: Audience): AsyncGenerator<Lead[], void> {
  const selection = selectAudience(audience, { drive: 'id' });
  const { from, id } = selection;
  const lengths = [...leadFieldNames, 'tags', 'custom'].map((name) => `length(${name})`).join(' + ');
  const statement = db.prepare(
    `SELECT * FROM (
       SELECT *, ${lengths} AS length, sum(${lengths}) OVER (ORDER BY id) AS lengthSoFar
       FROM (SELECT ${leadColumns} FROM ${from} WHERE ${pageBeyond(selection, 0).where} AND ${id} <= ?
             ORDER BY ${byId(selection)} LIMIT ${exportPageLeadCount}))
     WHERE lengthSoFar - length < ${exportPageLength} ORDER BY id`,
  );
  const untilId = await highestId(db);
  for (let afterId = 0; ;) {
    const { results } = await statement
      .bind(...pageBeyond(selection, afterId).params, untilId)
      .all<LeadRow & { length: number; lengthSoFar: number }>();
    const last = results.at(-1);
    if (last === undefined) return;
    yield results.map(({ length: _, lengthSoFar: __, ...row }) => toLead(row));
    // A page is also short where its leads are long, so only the highest id tells the end.
    if (last.id === untilId) return;
    afterId = last.id;
  }
}

const isOne = 'l.id IN (SELECT value FROM json_each(?1))';

/** Gives one field of these leads one value. @returns how many had another one */
export async function editLeads(
  db: D1Database,
  edit: { leadIds: readonly number[]; field: BulkEdit['field']; value: string; nowMs: number },
): Promise<number> {
  const { column } = leadFields[edit.field];
  const [changed] = await db.batch([
    db
      .prepare(
        // D1's count of changes has those of triggers in it.
        `UPDATE leads AS l SET ${column} = ?2, updated_at = ?3, revision = ${nextRevisionSql}
         WHERE ${isOne} AND l.${column} COLLATE BINARY IS NOT ?2 RETURNING id`,
      )
      .bind(JSON.stringify(edit.leadIds), edit.value, edit.nowMs),
    raiseRevision(db),
    logChange(db, edit.leadIds),
  ]);
  return changed?.results.length ?? 0;
}

/** The tags of a lead `l` with those in ?2 and without those in ?3, as labels. */
const tagsAfterSql = `coalesce((SELECT group_concat(value, ' ') FROM (
  SELECT value FROM (SELECT value FROM ${labelsIn('l.tags')} UNION SELECT value FROM ${labelsIn('?2')})
  WHERE value <> '' AND value NOT IN (SELECT value FROM ${labelsIn('?3')}) ORDER BY value)), '')`;
const tagsNextSql = `(SELECT l.id, l.tags AS former, ${tagsAfterSql} AS tags FROM leads l
  WHERE l.id IN (SELECT value FROM json_each(?1)))`;

/**
 * Adds and removes tags of these leads. A lead that would have too many stays as it is.
 *
 * @returns how many were changed, and how many would have too many
 */
export async function tagLeads(
  db: D1Database,
  edit: { leadIds: readonly number[]; add: readonly string[]; remove: readonly string[]; nowMs: number },
): Promise<{ changedCount: number; fullCount: number }> {
  const params = [JSON.stringify(edit.leadIds), tagLabels(edit.add), tagLabels(edit.remove)];
  const isOther = 'n.tags <> n.former';
  // As many labels as spaces, and one.
  const isFull = `length(n.tags) - length(replace(n.tags, ' ', '')) >= ${limits.maxTagCount}`;
  const [full, changed] = await db.batch<{ count: number }>([
    db
      .prepare(`SELECT count(*) AS count FROM ${tagsNextSql} AS n WHERE ${isOther} AND ${isFull}`)
      .bind(...params),
    db
      .prepare(
        `UPDATE leads AS l SET tags = n.tags, updated_at = ?4, revision = ${nextRevisionSql}
         FROM ${tagsNextSql} AS n WHERE l.id = n.id AND ${isOther} AND NOT ${isFull} RETURNING id`,
      )
      .bind(...params, edit.nowMs),
    raiseRevision(db),
    logChange(db, edit.leadIds),
  ]);
  return { changedCount: changed?.results.length ?? 0, fullCount: full?.results[0]?.count ?? 0 };
}

/** Suppresses the addresses of these leads. @returns how many were not suppressed before */
export async function suppressLeads(
  db: D1Database,
  entry: { leadIds: readonly number[]; note: string; addedBy: string; nowMs: number },
): Promise<number> {
  const result = await db
    .prepare(
      `INSERT INTO suppressions (email_hash, lead_id, reason, created_at, label, added_by, note)
       SELECT l.email_hash, l.id, 'manual', ?2, l.email, ?3, ?4 FROM leads l WHERE ${isOne}
       ON CONFLICT (email_hash) DO NOTHING`,
    )
    .bind(JSON.stringify(entry.leadIds), entry.nowMs, entry.addedBy, entry.note)
    .run();
  return result.meta.changes;
}

/** These leads, in the order of their ids; those that are gone are left out. */
export async function readLeads(db: D1Database, leadIds: readonly number[]): Promise<Lead[]> {
  const { results } = await db
    .prepare(`SELECT ${leadColumns} FROM leads l WHERE ${isOne} ORDER BY l.id`)
    .bind(JSON.stringify(leadIds))
    .all<LeadRow>();
  return results.map(toLead);
}

/** The first leads of an audience that an activation would skip for this reason. */
export async function skippedLeads(
  db: D1Database,
  query: { audience: Audience; reason: SkippedReason; limit: number; mailedAfter?: number | null },
): Promise<FoundLead[]> {
  const selection = selectAudience(query.audience, { drive: 'id' });
  const { from, where, params } = selection;
  const { results } = await db
    .prepare(
      `SELECT ${leadColumns}, ${unmailableSql} AS unmailable FROM ${from}
       WHERE ${where} AND ${eligibilitySql(timeSql(query.mailedAfter ?? null))} = ? ORDER BY ${byId(selection)} LIMIT ?`,
    )
    .bind(...params, query.reason, query.limit)
    .all<FoundLeadRow>();
  return results.map(toFoundLead);
}
