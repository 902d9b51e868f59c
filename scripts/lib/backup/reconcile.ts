/**
 * The reconciliation after a restore: every session that is known is asked whom it activated.
 *
 * Owns: which sessions are asked, in which order, and when a restore is over. Never: the leads; the app sets them.
 * Keeps true: no session mails while it is asked, breaking off and running again is safe, and a restore is closed
 * only when every session has answered.
 *
 * @module
 */
import type { Progress } from '../../../src/shared/progress.ts';
import type { ReconcileAnswer } from '../../../src/shared/schemas/recovery.ts';
import { AppRefusal, type AppApi } from './app-api.ts';

/** A session as the app takes it. */
type NamedSession = { sessionId: string } | { objectId: string };

export interface ReconcileReport {
  sessionCount: number;
  setActiveCount: number;
  setNewCount: number;
  erasedAgainCount: number;
  suppressedCount: number;
  /** Paused here, for a person to resume. */
  pausedIds: string[];
  /** Named in a list, and without an object: of another environment, or erased. */
  unknownIds: string[];
  /** They have ended so long ago that they no longer know whom they mailed. */
  forgetfulIds: string[];
}

interface ActivationPage {
  activations: Progress[];
  nextCursor: string | null;
}

/** Every session that the app's own list has. */
async function listedSessions(app: AppApi): Promise<Progress[]> {
  const found: Progress[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: ActivationPage = await app.get(`/crm/activation?limit=100${query}`);
    found.push(...page.activations);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

/**
 * Reconciles all sessions and closes the restore.
 *
 * @param more - sessions beyond those of the app's list: from another backup, and the ids of objects
 */
export async function reconcileAll(
  app: AppApi,
  more: { sessionIds: readonly string[]; objectIds: readonly string[] },
  onStep: (words: string) => void,
): Promise<ReconcileReport> {
  const listed = new Set([
    ...(await listedSessions(app)).map(({ sessionId }) => sessionId),
    ...more.sessionIds,
  ]);
  const report: ReconcileReport = {
    ...{ sessionCount: 0, setActiveCount: 0, setNewCount: 0, erasedAgainCount: 0, suppressedCount: 0 },
    ...{ pausedIds: [], unknownIds: [], forgetfulIds: [] },
  };
  // First by object: it names sessions that no list has.
  const sessions = new Set<string>();
  const named: NamedSession[] = [
    ...more.objectIds.map((objectId) => ({ objectId })),
    ...[...listed].map((sessionId) => ({ sessionId })),
  ];
  onStep(`Pausing what runs, of ${String(named.length)} sessions`);
  for (const session of named) {
    // One page says which session it is and how it stands; doing it twice changes nothing.
    const page = await reconcilePage(app, session, null);
    if (page === null) {
      if ('sessionId' in session) report.unknownIds.push(session.sessionId);
      continue;
    }
    if (sessions.has(page.sessionId)) continue;
    sessions.add(page.sessionId);
    add(report, page);
    if (await pause(app, page.sessionId)) report.pausedIds.push(page.sessionId);
  }
  onStep(`Asking ${String(sessions.size)} sessions whom they activated`);
  for (const sessionId of sessions) {
    let activatedCount = 0;
    let cursor: string | null = null;
    let page: ReconcileAnswer | null;
    do {
      page = await reconcilePage(app, { sessionId }, cursor);
      if (page === null) break;
      add(report, page);
      activatedCount += page.activatedCount;
      cursor = page.nextCursor;
    } while (cursor !== null);
    if (page !== null && activatedCount < page.expectedCount) report.forgetfulIds.push(sessionId);
  }
  report.sessionCount = sessions.size;
  await app.post('/crm/maintenance/recovery/finish');
  return report;
}

async function reconcilePage(
  app: AppApi,
  session: NamedSession,
  cursor: string | null,
): Promise<ReconcileAnswer | null> {
  try {
    return await app.post<ReconcileAnswer>('/crm/maintenance/reconcile', { ...session, cursor });
  } catch (error) {
    if (error instanceof AppRefusal && error.code === 'session_not_found') return null;
    throw error;
  }
}

/**
 * Pauses a session that mails, or that would go on by itself when the mail provider is back.
 *
 * @returns true when it was paused here
 */
async function pause(app: AppApi, sessionId: string): Promise<boolean> {
  const { state, reason } = await app.get<Progress>(`/crm/activation/progress/${sessionId}`);
  const goesOn = state === 'queued' || state === 'running' || reason === 'mail_unreachable';
  if (!goesOn) return false;
  try {
    await app.post(`/crm/activation/${sessionId}/pause`);
    return true;
  } catch (error) {
    // It has ended meanwhile.
    if (error instanceof AppRefusal && error.code === 'illegal_transition') return false;
    throw error;
  }
}

function add(report: ReconcileReport, page: ReconcileAnswer): void {
  report.setActiveCount += page.setActiveCount;
  report.setNewCount += page.setNewCount;
  report.erasedAgainCount += page.erasedAgainCount;
  report.suppressedCount += page.suppressedCount;
}
