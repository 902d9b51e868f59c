/**
 * The approval of a session by another person.
 *
 * Owns when it is asked for, what makes it void, and the two ends without one: rejected and expired. That nothing leaves
 * before is `workMode` (session.ts). No storage, no clock, no hashing.
 * Invariant: an approval counts for one manifest. A change of the manifest asks anew.
 *
 * @module
 */
import { approvalMs, isOwnRequest, type Approval } from '../../shared/approval.ts';
import { endPlan, isApproved, touch, type Session } from './session.ts';

/** True where an activation of so many leads waits for another person. */
export function needsApproval(leadCount: number, above: number | null): boolean {
  return above !== null && leadCount > above;
}

/** A request for an approval that is made now. */
export function newApproval(nowMs: number): Approval {
  return { askedAt: nowMs, expiresAt: nowMs + approvalMs };
}

/** The session waiting for an approval, which is asked for now. What was decided about it before is void. */
export function askApproval(session: Session, nowMs: number): Session {
  return touch(session, nowMs, {
    spec: { ...session.spec, approval: newApproval(nowMs) },
    state: 'awaiting_approval',
    reason: null,
    generation: session.generation + 1,
    waitingUntil: null,
    waitingFor: null,
    progressedAt: nowMs,
  });
}

/**
 * The session after its times were changed: it waits again where the approval was for the manifest of before. Who had started
 * it before its time has changed that too: what is approved has a start time, and nothing leaves before it.
 */
export function voidApproval(before: Session, session: Session, nowMs: number): Session {
  const isAnother = before.spec.manifest?.hash !== session.spec.manifest?.hash;
  if (!isAnother || isApproved(session.spec)) return session;
  const spec = { ...session.spec };
  if (spec.schedule !== undefined) delete spec.startsAt;
  return askApproval({ ...session, spec }, nowMs);
}

/**
 * True where leads that were found again at the start are more than were agreed on: more than the approved manifest has,
 * or, where nobody was asked, more than may start without.
 *
 * @param above - leads above which an approval is needed, by the present settings
 */
export function exceedsApproval({ spec }: Session, leadCount: number, above: number | null): boolean {
  return spec.approval === undefined
    ? needsApproval(leadCount, above)
    : leadCount > (spec.manifest?.manifest.audience.total ?? 0);
}

/** What a person decides about a session that waits for it. */
export type ApprovalVerdict =
  /** `startsAt`: one that begins at once can be undone until then. */
  | { kind: 'approve'; manifestHash: string; by: string; startsAt: number }
  | { kind: 'reject'; manifestHash: string; by: string; reason: string };

export type VerdictDecision =
  | { kind: 'unchanged' }
  | { kind: 'refused'; code: 'own_approval' | 'manifest_changed' | 'approval_decided'; detail: string }
  | { kind: 'changed'; session: Session };

/** What a person's approval or rejection does to the session; the same one again changes nothing. */
export function decideApproval(session: Session, verdict: ApprovalVerdict, nowMs: number): VerdictDecision {
  const { spec } = session;
  const { approval, manifest } = spec;
  const { kind, manifestHash, by } = verdict;
  const refused = (
    code: Extract<VerdictDecision, { kind: 'refused' }>['code'],
    detail: string,
  ): VerdictDecision => ({ kind: 'refused', code, detail });
  if (approval === undefined) return refused('approval_decided', 'Nobody has to approve it.');
  if (isOwnRequest(spec.owner, by)) return refused('own_approval', 'You have started it yourself.');
  const known = kind === 'approve' ? approval.approved : approval.rejected;
  if (known !== undefined && isOwnRequest(known.by, by) && manifestHash === manifest?.hash)
    return { kind: 'unchanged' };
  if (session.state !== 'awaiting_approval') return refused('approval_decided', decidedText(session));
  if (nowMs >= approval.expiresAt) return refused('approval_decided', 'The time to approve it is over.');
  if (manifest === undefined || manifestHash !== manifest.hash)
    return refused('manifest_changed', 'It was changed after you looked at it. Look at it again.');
  const decision = { by, at: nowMs };
  if (kind === 'reject') {
    const rejected = { ...decision, reason: verdict.reason };
    return {
      kind: 'changed',
      session: cancelUnapproved(
        { ...session, spec: { ...spec, approval: { ...approval, rejected } } },
        nowMs,
        'approval_rejected',
      ),
    };
  }
  const approved = { ...spec, approval: { ...approval, approved: { ...decision, manifestHash } } };
  // Its alarm finds one whose time has passed. One that a person has started before its time begins at once.
  const isTimed = spec.schedule !== undefined && spec.startsAt === undefined;
  return {
    kind: 'changed',
    session: touch(session, nowMs, {
      ...(isTimed
        ? { spec: approved, state: 'scheduled' }
        : { spec: { ...approved, startsAt: verdict.startsAt }, state: 'queued' }),
      generation: session.generation + 1,
      progressedAt: nowMs,
    }),
  };
}

function decidedText({ state, spec }: Session): string {
  const { approved, rejected } = spec.approval ?? {};
  if (rejected !== undefined) return `${rejected.by} has rejected it.`;
  if (approved !== undefined) return `${approved.by} has approved it.`;
  return `It is ${state}.`;
}

/** The session cancelled once nobody has approved it in time; the same object while there is time. */
export function expireApproval(session: Session, nowMs: number): Session {
  const { approval } = session.spec;
  if (session.state !== 'awaiting_approval' || approval === undefined || nowMs < approval.expiresAt)
    return session;
  return cancelUnapproved(session, nowMs, 'approval_expired');
}

function cancelUnapproved(
  session: Session,
  nowMs: number,
  reason: 'approval_rejected' | 'approval_expired',
): Session {
  return touch(session, nowMs, {
    state: 'cancelled',
    reason,
    generation: session.generation + 1,
    cancelledAt: nowMs,
    ...endPlan(session),
  });
}
