/**
 * Approvals on disk: a person's verdict, the manifest of an audience that was found again, and the end without a verdict.
 *
 * What is allowed is core/session/approval.ts. Whether the world is still as the manifest says is compared by the Worker
 * before (worker/operations/approval.ts).
 *
 * @module
 */
import {
  askApproval,
  decideApproval,
  exceedsApproval,
  type ApprovalVerdict,
} from '../../core/session/approval.ts';
import type { Session } from '../../core/session/session.ts';
import type { PresentAudience } from '../../crm/audience.ts';
import type { SessionStore } from '../store/session-store.ts';
import { hashNow, withManifest } from './manifest.ts';

/** The result of a verdict. */
export type VerdictResult =
  | { kind: 'ok'; session: Session }
  | { kind: 'refused'; code: 'own_approval' | 'manifest_changed' | 'approval_decided'; detail: string }
  | { kind: 'unknown_session' };

/** Carries out an approval or a rejection; the same one again changes nothing. */
export function applyVerdict(store: SessionStore, verdict: ApprovalVerdict, nowMs: number): VerdictResult {
  return store.transact((): VerdictResult => {
    const session = store.load();
    if (session === null) return { kind: 'unknown_session' };
    const decision = decideApproval(session, verdict, nowMs);
    if (decision.kind === 'refused') return decision;
    if (decision.kind === 'unchanged') return { kind: 'ok', session };
    store.save(decision.session, verdict.by);
    return { kind: 'ok', session: decision.session };
  });
}

/**
 * A session whose audience was found again at its start: as it is, or waiting for an approval where that has more leads
 * than were agreed on. Its manifest then has the present numbers.
 *
 * @param above - leads above which an approval is needed, by the present settings
 */
export function askForFrozen(
  session: Session,
  found: Pick<PresentAudience, 'maxLeadId' | 'total' | 'members'> | null,
  above: number | null,
  nowMs: number,
): Session {
  const { manifest } = session.spec;
  if (found === null || manifest === undefined || !exceedsApproval(session, found.total, above))
    return session;
  const { maxLeadId, total, members } = found;
  const audience = { ...manifest.manifest.audience, maxLeadId, total, members, outcomes: null };
  return askApproval(withManifest(session, hashNow({ ...manifest.manifest, audience })), nowMs);
}
