/**
 * What is said after an activation was scheduled or waits for an approval: it is not in the tracker until it begins. Pure.
 *
 * @module
 */
import type { Progress } from '../../../../../src/shared/progress.ts';
import { approvalMessages } from '../../messages/approvals.ts';
import { timingMessages as m } from '../../messages/timing.ts';
import { timeText } from '../../timing/describe.ts';

/** Null for an activation that begins at once. */
export function scheduledToast({ state, schedule, approval, name, sessionId }: Progress) {
  if (state === 'awaiting_approval' && approval !== undefined) {
    return {
      tone: 'good',
      title: approvalMessages.asked(name),
      text: approvalMessages.askedUntil(approval.expiresAt),
      link: { href: `/activations/${sessionId}`, label: approvalMessages.show },
    } as const;
  }
  if (state !== 'scheduled' || schedule === undefined) return null;
  return {
    tone: 'good',
    title: m.scheduled(name),
    text: m.scheduledFor(timeText(schedule.startAt, schedule.zone)),
    link: { href: `/activations/${sessionId}`, label: m.show },
  } as const;
}
