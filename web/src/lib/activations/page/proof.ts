/**
 * That every lead of an activation is accounted for, computed from its counts and its timeline. Pure.
 *
 * @module
 */
import {
  emailPendingCount,
  isTerminal,
  remainingCount,
  type Progress,
} from '../../../../../src/shared/progress.ts';
import type { TimelineEvent } from '../../../../../src/shared/timeline.ts';

export const proofParts = [
  'sent',
  'failed',
  'unknown',
  'notActivated',
  'skipped',
  'waiting',
  'remaining',
] as const;
export type ProofPart = (typeof proofParts)[number];

export interface Proof {
  parts: { part: ProofPart; count: number }[];
  /** The sum of the parts. */
  accounted: number;
  total: number;
  /** Leads that no part has. */
  lost: number;
  /** Emails that a person had retried: only those may have arrived twice. */
  retried: number;
}

/** @param events - null while the timeline is not loaded */
export function proofOf(progress: Progress, events: readonly TimelineEvent[] | null): Proof {
  const { activation, email, total } = progress;
  // Once it is over nobody waits any more: who has no result then is lost, and shown as that.
  const isOver = isTerminal(progress);
  const counts: Record<ProofPart, number> = {
    sent: email.sent,
    failed: email.failed,
    unknown: email.unknown,
    notActivated: activation.failed,
    skipped: activation.skipped,
    waiting: isOver ? 0 : emailPendingCount(progress),
    remaining: isOver ? 0 : remainingCount(progress),
  };
  const parts = proofParts.flatMap((part) => (counts[part] > 0 ? [{ part, count: counts[part] }] : []));
  const accounted = parts.reduce((sum, { count }) => sum + count, 0);
  const retried = (events ?? []).reduce(
    (sum, { kind, count }) => (kind === 'retried' ? sum + (count ?? 0) : sum),
    0,
  );
  return { parts, accounted, total, lost: Math.max(0, total - accounted), retried };
}
