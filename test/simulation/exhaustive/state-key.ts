/**
 * The key of a state: two states with the same key go on in the same way.
 *
 * It is made of the rows as they are on disk, the CRM, the provider's book and what is under way. Left out is what no
 * decision reads (revisions, names, texts) and what lies behind: a time counts by how far ahead or behind it is, a
 * batch that is decided by the results of its leads. Leads of one batch with the same past are the same.
 *
 * @module
 */
import { maxAttempts } from '../../../src/core/batch/settle.ts';
import type { InvariantMemory } from '../invariants.ts';
import type { Database, Row } from '../platform/sqlite.ts';

export interface KeyParts {
  nowMs: number;
  session: Database;
  crm: Database;
  sessionId: string;
  alarmAt: number | null;
  memory: InvariantMemory;
  isKeyKnown(key: string): boolean;
}

/** The parts of a state. */
export interface StateKey {
  /** The session, its leads, and the provider's book. */
  core: string;
  /** The list of activations, and the alarm. */
  around: string;
}

const dayMs = 86_400_000;
/** From this age on a batch in doubt is not repeated (src/core/batch/doubt.ts). */
const deadMs = 23 * 3_600_000;

/** How far ahead a time is, as far as a decision can tell. */
function ahead(at: unknown, nowMs: number): string {
  if (at === null || at === undefined) return '-';
  const ms = Number(at) - nowMs;
  if (ms < 10_000) return '0';
  if (ms <= 3_600_000) return '3';
  return ms <= dayMs ? '4' : '5';
}

/** How old a doubt is. */
function age(at: unknown, nowMs: number): string {
  if (at === null || at === undefined) return '-';
  return nowMs - Number(at) < deadMs ? 'a' : 'x';
}

export function stateKey(parts: KeyParts): StateKey {
  const { nowMs, session: db, crm, sessionId, memory } = parts;
  const row = db.run(
    `SELECT state, reason, generation, rev, plan, started_at, finished_at, cancelled_at, waiting_until,
       fault_streak, probe_at, recorded_rev, extra, spec.json ->> 'startsAt' AS startsAt FROM session, spec`,
  ).rows[0] as Row;
  const extra = JSON.parse(String(row['extra'])) as Record<string, unknown>;
  const record = memory.sessions.get(sessionId);
  const listed = crm.run("SELECT rev, progress ->> 'finishedAt' AS ended FROM activations").rows[0];
  const ownLeads = new Map(
    crm
      .run('SELECT id, status, activated_by AS owner FROM leads')
      .rows.map(({ id, status, owner }) => [
        Number(id),
        `${status === 'new' ? 'n' : 'a'}${owner === null ? '' : 'o'}`,
      ]),
  );
  const leadKey = (leadId: number): string => {
    const key = `${sessionId}/${leadId}`;
    const taken = memory.taken.get(leadId) ?? 0;
    const credit = Math.min(1, 1 + (memory.accepted.get(leadId) ?? 0) - taken);
    const calls = memory.callsOf.get(key) ?? [];
    const doubt =
      calls.length === 0 ? 'n' : calls.every((call) => call.isCertain && call.isSettled) ? 'c' : 'd';
    // A lead may fail after so many calls, or when it was refused.
    const mayFail = calls.length >= maxAttempts || memory.refused.has(key) ? 'f' : '';
    const flags = `${mayFail}${memory.takenBy.has(key) ? 't' : ''}${memory.told.has(key) ? 'e' : ''}${record?.assumed.has(leadId) === true ? 'p' : ''}`;
    return `${ownLeads.get(leadId) ?? '?'}${credit}${doubt}${flags}`;
  };
  const decided: string[] = [];
  const batches: string[] = [];
  for (const batch of db.run('SELECT * FROM batch ORDER BY seq').rows) {
    const marks = String(batch['marks']);
    const state = String(batch['state']);
    const leads: string[] = [];
    const recipients = batch['recipients'] as string | null;
    if (recipients === null) {
      for (const leadId of JSON.parse(String(batch['lead_ids'])) as number[]) leads.push(leadKey(leadId));
    } else {
      for (const [index, { leadId }] of (JSON.parse(recipients) as { leadId: number }[]).entries()) {
        const mark = marks[index] ?? '?';
        if (mark === 'm') continue;
        if (mark === 's') decided.push(`s${ownLeads.get(leadId) ?? '?'}`);
        else leads.push(`${mark}${leadKey(leadId)}`);
      }
    }
    for (const { leadId } of JSON.parse(String(batch['skipped'])) as { leadId: number }[])
      decided.push(`skip${ownLeads.get(leadId) ?? '?'}`);
    if (leads.length === 0) continue;
    leads.sort();
    if (recipients === null && (state === 'cancelled' || state === 'done')) {
      decided.push(...leads.map((lead) => `${state}${lead.slice(0, 2)}`));
      // Which of the first ones were flipped is looked up by their order.
      if (extra['mayBeFlipped'] !== true) continue;
    }
    const isOver = state === 'done' || state === 'split' || state === 'cancelled';
    const key = `${sessionId}/${String(batch['seq'])}`;
    const call = isOver
      ? ''
      : [
          // A person's command begins the count anew.
          state === 'unknown' ? '' : String(batch['attempts']),
          age(batch['in_doubt_since'], nowMs),
          state === 'inflight' ? age(batch['attempt_at'], nowMs) : '',
          ahead(batch['next_attempt_at'], nowMs),
          typeof batch['retried'] === 'string' ? batch['retried'] : '',
          // How much a refusal of the whole batch weighs.
          leads.length > 1 && batch['origin_seq'] === null ? 'whole' : '',
          parts.isKeyKnown(key) ? 'known' : '',
        ].join();
    batches.push(`${state}[${leads.join()}]${call}`);
  }
  decided.sort();
  const { isDone, afterLeadId, unlistedCount } = JSON.parse(String(row['plan'])) as Record<string, unknown>;
  const chore = extra['chore'] as { kind: string } | null;
  // Whoever goes on with another session makes the provider's faults count anew (src/core/session/command.ts).
  const mayPause =
    row['finished_at'] === null && (row['state'] === 'running' || row['reason'] === 'mail_unreachable');
  const hasSent = decided.some((lead) => lead.startsWith('s') && !lead.startsWith('skip'));
  const core = [
    String(row['state']),
    // Whoever has to act, the session waits in the same way.
    String(row['reason']).replace(/^mail_(?:auth|quota|refused)$/, 'mail'),
    ...[row['started_at'], row['finished_at'], row['cancelled_at']].map((at) => (at === null ? '-' : '+')),
    // One that is past is none.
    row['waiting_until'] === null ? '0' : ahead(row['waiting_until'], nowMs),
    ahead(row['probe_at'], nowMs),
    row['started_at'] === null ? ahead(row['startsAt'], nowMs) : '',
    ...(mayPause
      ? [Math.min(3, Number(row['fault_streak'])), extra['outageSince'] === null ? '-' : '+']
      : []),
    ...(mayPause && !hasSent ? [Math.min(5, Number(extra['refusalScore']))] : []),
    String(extra['isChecking']),
    String(extra['mayBeFlipped']),
    chore?.kind ?? '',
    String(isDone),
    String(afterLeadId),
    String(unlistedCount),
    row['finished_at'] === null ? (record?.stoppedBy ?? '') : '',
    String(record?.isUndone),
    decided.join(),
    batches.join(';'),
  ].join('|');
  const list =
    listed === undefined ? 'unlisted' : `${listed['rev'] === row['rev']}${listed['ended'] === null}`;
  return { core, around: `${list}|alarm ${ahead(parts.alarmAt, nowMs)}` };
}
