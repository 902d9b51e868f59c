/**
 * Tells the MailGate what bounced and what was reported as spam, for the warm-up of the sender's domain.
 *
 * The session keeps sums of days and tells these, so a report that gets lost is made good by the next, and one that
 * arrives twice counts once. A webhook is answered only after it: where the gate does not answer, the provider sends the
 * event again, which then has nothing to add but is told with what is still untold.
 *
 * @module
 */
import { toldMailDays } from '../../core/session/mail-days.ts';
import { domainOf } from '../../mail/templates/render.ts';
import { callGate } from '../../runtime/faults.ts';
import { warmUpPlan } from '../../runtime/settings.ts';
import { mailAccount } from '../mail-account.ts';
import type { SessionContext } from './context.ts';

type Context = Pick<SessionContext, 'store' | 'settings' | 'now'>;

/** Tells what the gate does not know yet; does nothing where domains are not warmed up. */
export async function tellResults({ store, settings, now }: Context): Promise<void> {
  const session = store.load();
  const untold = session?.mailDays?.filter(({ isTold }) => !isTold) ?? [];
  if (session === null || untold.length === 0 || warmUpPlan(settings()) === null) return;
  const account = mailAccount(settings(), now);
  if (account.kind === 'refused') return;
  const { sessionId, mail } = session.spec;
  const results = untold.map(({ day, bounced, complained }) => ({ day, bounced, complained }));
  await callGate(async () => account.gate.countResults(domainOf(mail.from), sessionId, results));
  store.transact(() => {
    const after = store.load();
    // It may have been erased meanwhile.
    if (after !== null) store.save(toldMailDays(after, untold));
  });
}
