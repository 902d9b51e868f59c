/**
 * The flip: sets the leads of one batch active, owned by one session.
 *
 * One D1 batch, which is one transaction and one round trip. It writes 2 rows for each lead (the row and
 * `leads_status`) and 2 for the batch. Invariants: a lead belongs to the first session that flips it, a repeat gives the
 * same answer, every lead of the batch is in exactly one list of the answer, and what arrives late changes nothing
 * (fence.ts).
 *
 * @module
 */
import type { FlipResult, Recipient, SkippedLead } from '../shared/recipient.ts';
import { logChange } from './leads/changes.ts';
import type { CrmRecord } from './port.ts';
import { assertNotFenced, fenceSql, isNotFencedSql, raisingFence, type FenceNumber } from './fence.ts';
import {
  nextRevisionSql,
  recipientColumnsWith,
  eligibilitySql,
  toRecipient,
  type RecipientRow,
  type Eligibility,
} from './leads/row.ts';

// `UPDATE … AS l`, so that the eligibility reads the row that is written. The unary plus makes SQLite find the rows
// by id and not by the status index.
const flipSql = `UPDATE leads AS l SET status = 'active', activated_at = ?2, activated_by = ?3,
    mailed_before = mailed_at, mailed_at = ?2, activated_revision = ${nextRevisionSql}
  WHERE l.id IN (SELECT value FROM json_each(?1)) AND ${eligibilitySql('?5', '?6')} = 'mailable'
  AND ${isNotFencedSql('?3', '?4')}`;

/** Counts the leads that the previous statement has set active, as a change of the CRM. */
export const countFlippedSql = `UPDATE lead_counts
  SET revision = revision + 1, new_count = new_count - changes(), active_count = active_count + changes()
  WHERE changes() > 0`;

// Leads whose session has not ended by the list of activations.
const isOwnerLiveSql = `(l.activated_by <> ?2 AND EXISTS (SELECT 1 FROM activations a
    WHERE a.session_id = l.activated_by AND (a.progress ->> 'finishedAt') IS NULL))`;

const readFlippedSql = (
  columns: string,
): string => `SELECT ${columns}, l.activated_by AS activatedBy, l.email_hash AS emailHash,
  coalesce(${isOwnerLiveSql}, 0) AS isOwnerLive,
  ${eligibilitySql('?3', '?4')} AS eligibility, ${fenceSql('?2')} AS fence
  FROM leads l WHERE l.id IN (SELECT value FROM json_each(?1))`;

/**
 * A version before 0.2 flips without `mailed_at`: then the time is that of an earlier mail, and stays. The revision of
 * the activation says nothing of a lead that is new, but when it last changed (leads/changes.ts).
 */
const unflipSql = `UPDATE leads AS l SET status = 'new', activated_at = NULL, activated_by = NULL,
    mailed_at = iif(mailed_at = activated_at, mailed_before, mailed_at),
    mailed_before = iif(mailed_at = activated_at, NULL, mailed_before), activated_revision = ${nextRevisionSql}
  WHERE l.id IN (SELECT value FROM json_each(?1)) AND +l.activated_by = ?2
  AND +l.status = 'active' AND ${isNotFencedSql('?2', '?3')}`;

const countUnflippedSql = `UPDATE lead_counts
  SET revision = revision + 1, new_count = new_count + changes(), active_count = active_count - changes() WHERE changes() > 0`;

interface FlippedRow extends RecipientRow {
  activatedBy: string | null;
  emailHash: string;
  isOwnerLive: 0 | 1;
  eligibility: Eligibility;
  fence: number | null;
}

/**
 * Activates the leads that are new, have a valid address, are not suppressed and were not mailed recently, and returns the outcome of each.
 * Leads that this session activated before are `activated` again, with their present data. But a lead that was
 * suppressed since becomes new again and is skipped: only a batch that never left is flipped again.
 *
 * Both lists keep the order of `leadIds`; a repeated id counts once. A lead that no longer exists is
 * skipped as `erased`.
 *
 * @param flip.mustRaise - an earlier slice may have flips on their way, which this one keeps out; 1 row
 * @param flip.customFields - those that the template uses
 * @param flip.mailedAfter - leads that were mailed after this time, epoch ms, are skipped
 * @param flip.crmSource - the system of the connected CRM's records; not set: none
 * @param flip.beforeUnflip - undoes in that CRM what is given back here
 * @param flip.asOf - the revision of the CRM at which the session started: leads that were taken back since are skipped
 * @throws what D1 throws; then nothing was changed or everything was, and a repeat is safe
 * @throws {@link SupersededFlip}; then nothing was changed
 */
export async function flipLeads(
  db: D1Database,
  flip: FenceNumber & {
    leadIds: readonly number[];
    nowMs: number;
    mustRaise?: boolean;
    customFields?: readonly string[];
    mailedAfter?: number | null;
    asOf?: number | null;
    crmSource?: string | null;
    beforeUnflip?: (records: readonly CrmRecord[]) => Promise<void>;
  },
): Promise<FlipResult> {
  const { sessionId, number, mustRaise = false, customFields = [], mailedAfter = null, asOf = null } = flip;
  const { crmSource = null, beforeUnflip } = flip;
  const leadIds = [...new Set(flip.leadIds)];
  const idsJson = JSON.stringify(leadIds);
  const results = await db.batch<FlippedRow>([
    ...(mustRaise ? [raisingFence(db, { sessionId, number })] : []),
    db.prepare(flipSql).bind(idsJson, flip.nowMs, sessionId, number, mailedAfter, asOf),
    db.prepare(countFlippedSql),
    logChange(db, leadIds),
    db
      .prepare(readFlippedSql(recipientColumnsWith(customFields, crmSource)))
      .bind(idsJson, sessionId, mailedAfter, asOf),
  ]);
  const found = results.at(-1)?.results ?? [];
  assertNotFenced(found[0]?.fence, number);
  const rows = new Map(found.map((row) => [row.leadId, row]));

  const withdrawn = leadIds.filter((leadId) => {
    const row = rows.get(leadId);
    return row?.activatedBy === sessionId && row.eligibility === 'suppressed';
  });
  // A separate statement, because this is rare and ordinary flips need not pay for it. If it fails, a repeat finds
  // the leads again.
  if (withdrawn.length > 0) {
    const records = withdrawn.flatMap((leadId) => {
      const row = rows.get(leadId);
      const { crmRecordId } = row === undefined ? {} : toRecipient(row, [], crmSource);
      return crmRecordId === undefined ? [] : [{ leadId, recordId: crmRecordId }];
    });
    if (records.length > 0) await beforeUnflip?.(records);
    await unflipLeads(db, { sessionId, number, leadIds: withdrawn });
  }

  const activated: Recipient[] = [];
  const skipped: SkippedLead[] = [];
  const emailHashes = new Map<number, string>();
  const ownedElsewhere = new Set<number>();
  for (const leadId of leadIds) {
    const row = rows.get(leadId);
    if (row === undefined) skipped.push({ leadId, reason: 'erased' });
    else if (row.activatedBy === sessionId && row.eligibility !== 'suppressed') {
      activated.push(toRecipient(row, customFields, crmSource));
      emailHashes.set(leadId, row.emailHash);
    } else if (row.eligibility === 'mailable')
      throw new Error('A flip left a lead that it should have taken.');
    else {
      skipped.push({ leadId, reason: row.eligibility });
      if (row.eligibility === 'already_active' && row.isOwnerLive === 1) ownedElsewhere.add(leadId);
    }
  }
  return { activated, skipped, emailHashes, ownedElsewhere };
}

/**
 * Reverses a flip for the leads that this session owns; other leads do not change. It is for a session that was
 * paused, cancelled or erased before the mail left, so never for a lead that may have been mailed. Flips with a lower
 * number that are still on their way change nothing afterwards, of no lead.
 *
 * @param flip.number - null where it is not the session that asks, and the leads are decided for good
 * @returns how many leads became new again
 * @throws what D1 throws; a repeat is safe
 * @throws {@link SupersededFlip}; then nothing was changed
 */
export async function unflipLeads(
  db: D1Database,
  flip: { sessionId: string; number: number | null; leadIds: readonly number[] },
): Promise<number> {
  const { sessionId, number, leadIds } = flip;
  const [unflipped, , , fence] = await db.batch<{ fence: number }>([
    db.prepare(unflipSql).bind(JSON.stringify(leadIds), sessionId, number),
    db.prepare(countUnflippedSql),
    logChange(db, leadIds),
    ...(number === null ? [] : [raisingFence(db, { sessionId, number })]),
  ]);
  if (number !== null) assertNotFenced(fence?.results[0]?.fence, number);
  return unflipped?.meta.changes ?? 0;
}
