/**
 * Unsubscribes on their way to their sessions, which tell endpoints of them.
 *
 * An unsubscribe is noted in the transaction of its suppression (crm/suppressions.ts), given to its session, and then
 * dropped. A session takes it once, so any step may be repeated.
 *
 * @module
 */
import { dropUnsubscribes, openUnsubscribes, type UnsubscribedLead } from '../../crm/event-endpoints.ts';
import { sessionStub } from '../../durable/stubs.ts';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';

/** Unsubscribes that one sweep gives to their sessions. */
const maxCount = 200;

/** Gives these to their sessions. Never throws: the sweep tries again what is left. */
export async function tellUnsubscribes(env: Env, leads: readonly UnsubscribedLead[]): Promise<void> {
  for (const [sessionId, members] of Map.groupBy(leads, (lead) => lead.sessionId)) {
    try {
      const reports = members.map(({ leadId }) => ({ leadId, event: 'unsubscribed' as const }));
      await sessionStub(env, sessionId).addDeliveryEvents(reports);
      await dropUnsubscribes(env.DB, members);
    } catch (error) {
      logEvent('warn', 'unsubscribe_not_told', { sessionId, error: faultText(error) });
    }
  }
}

/** Gives those that are left to their sessions. */
export async function tellOpenUnsubscribes(env: Env): Promise<void> {
  await tellUnsubscribes(env, await openUnsubscribes(env.DB, maxCount));
}
