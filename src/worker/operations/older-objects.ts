/**
 * Calls to session objects of the version before.
 *
 * A deploy replaces the Worker first, and for up to a minute or so it meets objects that do not have the newest methods.
 * Here is, for each such method that is called often or by others, what the version before can do instead. A call of
 * any other missing method is answered with 503 and `Retry-After` (runtime/faults.ts); so is an erasure, which must
 * not be done in part. A fallback is deleted when no version without the method is deployed any more.
 *
 * @module
 */
import type { DeliveryReport } from '../../core/batch/delivery-status.ts';
import { answerPoll, type PollAnswer } from '../../core/session/progress-view.ts';
import type { sessionStub } from '../../durable/stubs.ts';
import { isMissingMethod } from '../../runtime/faults.ts';

type SessionStub = ReturnType<typeof sessionStub>;

async function callOr<Answer>(call: () => Promise<Answer>, before: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    if (!isMissingMethod(error)) throw error;
    return before();
  }
}

/** The session's `poll`, new in 0.2: a poll comes every two seconds from each page. */
export function pollSession(
  session: SessionStub,
  knownTags: readonly string[],
  requestId: string,
): Promise<PollAnswer | null> {
  return callOr(
    async () => session.poll(knownTags, requestId),
    async () => {
      const progress = await session.progress(requestId);
      return progress === null ? null : answerPoll(progress, knownTags);
    },
  );
}

/** The session's `addDeliveryEvents`, `fates` in 0.1: a webhook that is refused comes again minutes later. */
export function addDeliveryEvents(session: SessionStub, reports: readonly DeliveryReport[]): Promise<void> {
  return callOr(
    async () => session.addDeliveryEvents(reports),
    async () => session.fates(reports.map(({ leadId, event }) => ({ leadId, fate: event }))),
  );
}
