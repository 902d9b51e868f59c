/**
 * Reconciles the CRM database with one session, one page of its results per call.
 *
 * The session object is the source of truth for the leads that it activated; the database may have been restored to
 * an earlier state.
 * Invariant: the work of a call is bounded, a repeat changes nothing, and no mail is sent.
 *
 * @module
 */
import { emailHash } from '../../crm/email.ts';
import { recordActivation } from '../../crm/activations.ts';
import { applyKnowledge } from '../../crm/recovery.ts';
import { suppressHash } from '../../crm/suppressions.ts';
import type { ActivationSession, ResultCursor } from '../../durable/activation-session.ts';
import type { ReconcileAnswer } from '../../shared/schemas/recovery.ts';
import type { LeadResult } from '../../shared/schemas/activation.ts';
import { eraseEverywhere } from './erasure.ts';

/** Leads of one call: about twenty batches, and far below D1's 2 MB for a parameter. */
const maxLeadCount = 2_000;

/** The result of one call; `next` is null after the last page. */
export type ReconciledPage = Omit<ReconcileAnswer, 'nextCursor'> & { next: ResultCursor | null };

/**
 * Reconciles a page of a session's results.
 *
 * @returns null for an unknown session
 */
export async function reconcilePage(
  env: Env,
  session: DurableObjectStub<ActivationSession>,
  cursor: ResultCursor | null,
): Promise<ReconciledPage | null> {
  const progress = await session.progress();
  const page = await session.results({
    activation: null,
    email: null,
    code: null,
    cursor,
    limit: maxLeadCount,
  });
  if (progress === null || page === null) return null;
  const { sessionId, createdAt, startedAt } = progress;
  await recordActivation(env.DB, progress);
  const activated = page.leads.filter(({ activation }) => activation === 'activated');
  const changes = await applyKnowledge(env.DB, {
    sessionId,
    createdAt,
    activatedAt: startedAt ?? createdAt,
    activated: activated.map(({ leadId, email, emailState }) => ({
      leadId,
      email,
      isMailed: emailState !== 'pending',
    })),
    skippedIds: page.leads.filter(({ activation }) => activation === 'skipped').map(({ leadId }) => leadId),
  });
  // One after the other, because each calls the session that owns the lead.
  for (const leadId of changes.returnedIds) await eraseEverywhere(env, leadId);
  return {
    sessionId,
    state: progress.state,
    activatedCount: activated.length,
    expectedCount: progress.activation.activated,
    setActiveCount: changes.setActiveCount,
    setNewCount: changes.setNewCount,
    erasedAgainCount: changes.returnedIds.length,
    suppressedCount: await suppressAgain(env, sessionId, activated),
    next: page.next,
  };
}

/** Suppresses complaints and hard bounces again, as the webhooks did. */
async function suppressAgain(env: Env, sessionId: string, results: readonly LeadResult[]): Promise<number> {
  let count = 0;
  for (const { leadId, email, code } of results) {
    if (email === null || (code !== 'complained' && code !== 'hard_bounce')) continue;
    const hash = emailHash(env.ADDRESS_HASH_KEY, email);
    const entry = { emailHash: hash, leadId, address: email, nowMs: Date.now(), sessionId };
    if (await suppressHash(env.DB, { ...entry, reason: code })) count++;
  }
  return count;
}
