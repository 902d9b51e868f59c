/**
 * Recovery of the CRM database: the hold after a restore, and putting back what the restored database forgot.
 *
 * A database that was set back to an earlier time has leads as *new* that were mailed since. The session
 * objects were not set back and know whom they mailed. Owns: the SQL that makes the leads agree with what a
 * session says, and the question whether a restore is still open. Never: asking a session (worker/operations/reconcile.ts).
 * Keeps true: a lead that a session mailed is never new afterwards, a lead that another session owns is left
 * alone, and a repeat changes nothing.
 *
 * @module
 */
import { countFlippedSql, unflipLeads } from './flip.ts';
import { nextRevisionSql } from './leads/row.ts';

/** Audit actions that open and close a recovery; `scripts/restore.ts` writes the first. */
export const recoveryActions = { opened: 'recovery.restore', finished: 'recovery.finish' } as const;

// By id and not by time: the clock of the machine that restores is another one than the Worker's.
const latestSql = 'SELECT max(id) AS id, at, detail FROM audit WHERE action = ?';

interface LatestRow {
  id: number | null;
  at: number | null;
  detail: string | null;
}

/** A restore that was not finished yet: when it was made and what its audit entry says. */
export interface OpenRecovery {
  restoredAt: number;
  detail: Record<string, unknown>;
}

/**
 * The restore that is still open, or null. While one is open no activation starts: leads may be new in the
 * database that were mailed. Reads the entries of two actions, which are few.
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
  /** The address that was mailed; null where the session has forgotten it because the lead was erased. */
  email: string | null;
  /** False while its mail waits. */
  isMailed: boolean;
}

/** What a session knows of some of its leads. */
export interface SessionKnowledge {
  sessionId: string;
  /** When the session was started; its audience existed by then. */
  createdAt: number;
  activatedAt: number;
  /** Leads that it activated: mailed, in doubt, failed, or about to be mailed. */
  activated: readonly KnownLead[];
  /** Leads that it left alone. */
  skippedIds: readonly number[];
}

/*
 * A lead of the database is the one that the session means if its id is the same and it was there when the
 * session started, or if its id and address are. An id can mean somebody else after a restore: ids that were
 * given out later are given out again. The address alone is enough as well, for who was imported again.
 */
const isSameLead = `l.created_at <= ?2 OR l.email = (known.value ->> 'email')`;

const sameLeadIds = `SELECT l.id FROM json_each(?1) AS known JOIN leads l ON l.id = known.value ->> 'leadId'
  WHERE ${isSameLead}`;

const setActiveSql = `UPDATE leads SET status = 'active', activated_at = ?3, activated_by = ?4,
    activated_revision = ${nextRevisionSql}
  WHERE +status = 'new' AND id IN (${sameLeadIds}
    UNION SELECT l.id FROM json_each(?1) AS known JOIN leads l ON l.email = (known.value ->> 'email'))`;

// A lead that the database has as another session's: that one had given it back, and this one has mailed it.
// Whoever mailed a lead owns it, in whatever order the sessions are asked.
const takeOverSql = `UPDATE leads SET activated_at = ?3, activated_by = ?4
  WHERE +status = 'active' AND activated_by IS NOT ?4 AND id IN (${sameLeadIds})`;

// An id that a session knows is never given out again, so that it cannot come to mean somebody else.
const keepIdsSql = `UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'leads'`;

/**
 * Makes the leads agree with what a session knows of them: leads that it activated and the database has as new
 * become active again, owned by it; leads that it left alone and the database has as its own become new.
 *
 * @returns how many leads changed in each way, and the leads that the session knows as erased and that are
 *   back in the database; erasing them again is the caller's
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
    db.prepare(keepIdsSql).bind(maxLeadId),
    db.prepare(sameLeadIds).bind(erased, createdAt),
    db.prepare(takeOverSql).bind(mailed, createdAt, activatedAt, sessionId),
  ]);
  const setNewCount = skippedIds.length === 0 ? 0 : await unflipLeads(db, { sessionId, leadIds: skippedIds });
  return {
    setActiveCount: results[0]?.meta.changes ?? 0,
    setNewCount,
    returnedIds: (results[3]?.results ?? []).map(({ id }) => id),
  };
}
