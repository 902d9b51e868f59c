/**
 * Retention: how long an ended session keeps its data.
 *
 * First its recipients are deleted and it has only numbers; much later the object itself is deleted. Pure: the clock
 * and the settings are arguments.
 *
 * @module
 */
import type { Session } from './session.ts';
import { isTakingBack } from './take-back.ts';

const dayMs = 86_400_000;

/** The numbers alone are kept for a comparison with last year's activation. */
const numbersDays = 365;

/** What retention does to a session, and when. */
export interface RetentionStep {
  kind: 'anonymize' | 'remove';
  at: number;
}

/**
 * The next step, or null while the session has not ended or is taken back: what is not settled needs its recipients.
 */
export function nextRetention(
  session: Pick<Session, 'finishedAt' | 'spec' | 'takeBack'>,
  retentionDays: number,
): RetentionStep | null {
  if (session.finishedAt === null || isTakingBack(session)) return null;
  const anonymizeAt = session.finishedAt + retentionDays * dayMs;
  return session.spec.reducedAt === undefined
    ? { kind: 'anonymize', at: anonymizeAt }
    : { kind: 'remove', at: anonymizeAt + numbersDays * dayMs };
}
