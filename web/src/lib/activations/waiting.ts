/**
 * What a session waits for, in a sentence; null when it waits for nothing.
 *
 * @module
 */
import type { Progress } from '../../../../src/shared/progress.ts';
import { formatDuration, formatTime } from '../messages/format.ts';
import { trackerMessages } from '../messages/tracker.ts';

/** @param now - epoch ms, of a clock that may differ from the server's */
export function waitingText(progress: Progress, now: number): string | null {
  const { waitingFor, waitingUntil } = progress;
  const until = waitingUntil !== null && waitingUntil > now ? formatTime(waitingUntil) : null;
  if (waitingFor !== null) {
    const since = formatDuration(Math.max(0, now - waitingFor.since));
    return trackerMessages.waitingFor(waitingFor.kind, since, until);
  }
  return until === null ? null : trackerMessages.waitingUntil(until);
}
