/**
 * Recovery of the CRM database after a restore.
 *
 * A restored database may list leads as *new* that were mailed after the backup. The session objects were not
 * restored, so they still know whom they mailed. This file holds the SQL that makes the leads agree with a
 * session, and the query whether a recovery is still open. It does not ask the sessions; that is
 * worker/operations/reconcile.ts.
 * Invariants: a lead that a session mailed is not new afterwards. The session that mailed a lead owns it, also
 * where the restored database names another owner. A repeat changes nothing.
 *
 * @module
 */
import { countFlippedSql, unflipLeads } from './flip.ts';
import { logChangeOf, raiseRevision } from './leads/changes.ts';
import { nextRevisionSql } from './leads/row.ts';

/** Audit actions that open and close a recovery; `scripts/restore.ts` writes the first. */
export const recoveryActions = { opened: 'recovery.restore', finished: 'recovery.finish' } as const;

// By id and not by time: the machine that restores and the Worker have different clocks.
const latestSql = 'SELECT max(id) AS id, at, detail FROM audit WHERE action = ?';

interface LatestRow {
  id: number | null;
  at: number | null;
  detail: string | null;
}

/** A restore that is not reconciled yet: when it was made, and the detail of its audit entry. */
export interface OpenRecovery {
  restoredAt: number;
  detail: Record<string, unknown>;
}

/**
 * Returns the restore that is still open, or null. While one is open no activation starts, because the database
 * may list leads as new that were mailed. Reads the latest entry of two audit actions.
 *
 * @throws what D1 throws
 */
export async function openRecovery(db: D1Database): Promise<OpenRecovery | null> {
  const [opened, finished] = await db.batch<LatestRow>([
    db.prepare(latestSql).bind(recoveryActions.opened),
    db.prepare(latestSql).bind(recoveryActions.finished),
  ]);
  const restore = opened?.results[0];
  if (restore === undefined || restore.id === null || restore.at === null) return null;
  if ((finished?.results[0]?.id ?? 0) > restore.id) return null;
  return {
    restoredAt: restore.at,
    detail: restore.detail === null ? {} : (JSON.parse(restore.detail) as Record<string, unknown>),
  };
}

/** A lead as a session's results name it. */
export interface KnownLead {
  leadId: number;
  /** The address that was mailed; null where the session deleted it because the lead was erased. */
  email: string | null;
  /** False while its mail has not left. */
  isMailed: boolean;
}

/** What a session knows of some of its leads. */
export interface SessionKnowledge {
  sessionId: string;
  /** When the session was started, epoch ms; every lead of its audience existed then. */
  createdAt: number;
  activatedAt: number;
  /** Leads that it activated: mailed, in doubt, failed, or waiting to be mailed. */
  activated: readonly KnownLead[];
  /** Leads that it skipped. */
  skippedIds: readonly number[];
}

/*
 * After a restore an id can belong to somebody else, because the database gives out ids again that it gave out
 * after the backup. So a row is the lead that the session means if its id is the same and either it existed
 * when the session started, or its address is the same too. The address alone also identifies a lead: that one
 * was imported again.
 */
const isSameLead = `l.created_at <= ?2 OR l.email = (known.value ->> 'email')`;

const sameLeadIds = `SELECT l.id FROM json_each(?1) AS known JOIN leads l ON l.id = known.value ->> 'leadId'
  WHERE ${isSameLead}`;

const matchingIds = `${sameLeadIds}
    UNION SELECT l.id FROM json_each(?1) AS known JOIN leads l ON l.email = (known.value ->> 'email')`;
const knownIdsSql = `(SELECT group_concat(id) FROM (${matchingIds}))`;

const setActiveSql = `UPDATE leads SET status = 'active', activated_at = ?3, activated_by = ?4,
    mailed_before = mailed_at, mailed_at = ?3, activated_revision = ${nextRevisionSql}
  WHERE +status = 'new' AND taken_back_by IS NOT ?4 AND id IN (${matchingIds})`;

// The restored database may name a session as owner that gave the lead back after the backup. The session that
// mailed the lead takes it over, so that the order in which sessions are reconciled does not matter.
const takeOverSql = `UPDATE leads SET activated_at = ?3, activated_by = ?4, mailed_at = ?3,
    activated_revision = ${nextRevisionSql}
  WHERE +status = 'active' AND activated_by IS NOT ?4 AND id IN (${sameLeadIds})`;

// Ids that a session knows are not given out again: they would name another person in its results.
const keepIdsSql = `UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'leads'`;

/**
 * Makes the leads agree with what a session knows. Leads that it activated and that are new in the database become
 * active and its own. Leads that it mailed and that another session owns in the database become its own. Leads
 * that it skipped and that are its own in the database become new.
 *
 * @returns how many leads became active and how many new, and the leads that were erased and are back in the
 *   database; the caller erases those again
 * @throws what D1 throws; a repeat is safe
 */
export async function applyKnowledge(
  db: D1Database,
  known: SessionKnowledge,
): Promise<{ setActiveCount: number; setNewCount: number; returnedIds: number[] }> {
  const { sessionId, createdAt, activatedAt, activated, skippedIds } = known;
  const alive = JSON.stringify(activated.filter(({ email }) => email !== null));
  const erased = JSON.stringify(activated.filter(({ email }) => email === null));
  const maxLeadId = Math.max(0, ...activated.map(({ leadId }) => leadId), ...skippedIds);
  const mailed = JSON.stringify(activated.filter(({ email, isMailed }) => email !== null && isMailed));
  const results = await db.batch<{ id: number }>([
    db.prepare(setActiveSql).bind(alive, createdAt, activatedAt, sessionId),
    db.prepare(countFlippedSql),
    logChangeOf(db, knownIdsSql, alive, createdAt),
    db.prepare(keepIdsSql).bind(maxLeadId),
    db.prepare(sameLeadIds).bind(erased, createdAt),
    db.prepare(takeOverSql).bind(mailed, createdAt, activatedAt, sessionId),
    raiseRevision(db),
    logChangeOf(db, knownIdsSql, mailed, createdAt),
  ]);
  const setNewCount =
    skippedIds.length === 0 ? 0 : await unflipLeads(db, { sessionId, number: null, leadIds: skippedIds });
  return {
    setActiveCount: results[0]?.meta.changes ?? 0,
    setNewCount,
    returnedIds: (results[4]?.results ?? []).map(({ id }) => id),
  };
}
