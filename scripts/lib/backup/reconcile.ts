/**
 * The reconciliation after a restore: asks every known session which leads it activated.
 *
 * Owns which sessions are asked, their order, and when a restore is closed. The app changes the leads.
 * Invariant: no session mails while it is asked, an interruption and a repeat are safe, and a restore is closed only
 * when every session has answered.
 *
 * @module
 */
import type { Progress } from '../../../src/shared/progress.ts';
import type { ReconcileAnswer } from '../../../src/shared/schemas/recovery.ts';
import { AppRefusal, type AppApi } from './app-api.ts';

/** A session as the app accepts it. */
type NamedSession = { sessionId: string } | { objectId: string };

export interface ReconcileReport {
  sessionCount: number;
  setActiveCount: number;
  setNewCount: number;
  erasedAgainCount: number;
  suppressedCount: number;
  /** Paused by this command; a person resumes them. */
  pausedIds: string[];
  /** In a list, but without an object: of another environment, or erased. */
  unknownIds: string[];
  /** Ended longer ago than RETENTION_DAYS, so that they no longer know whom they mailed. */
  forgetfulIds: string[];
}

interface ActivationPage {
  activations: Progress[];
  nextCursor: string | null;
}

/** All sessions in the app's list. */
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
  // Objects first: they lead to sessions that are in no list.
  const sessions = new Set<string>();
  const named: NamedSession[] = [
    ...more.objectIds.map((objectId) => ({ objectId })),
    ...[...listed].map((sessionId) => ({ sessionId })),
  ];
  onStep(`Pausing the running ones of ${String(named.length)} sessions`);
  for (const session of named) {
    // The first page tells the session's id and state. A repeat changes nothing.
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
  onStep(`Reconciling ${String(sessions.size)} sessions`);
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
 * Pauses a session that mails, or that would continue by itself when the mail provider is back.
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
    // The session has ended in the meantime.
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
