/**
 * The planner: pages the audience of a session into pending batches.
 *
 * Owns the size of a page and the write of one. Who is in the audience is decided in crm/audience.ts, when to plan
 * in core/session/slice.ts. Invariant: a page is written once, also when two slices have read it.
 *
 * @module
 */
import { plannedBatch } from '../../core/batch/batch.ts';
import { endPlan, touch, type Session } from '../../core/session/session.ts';
import { planPage } from '../../crm/audience.ts';
import type { SessionContext } from '../session/context.ts';

/** Pages grow: a small first page lets mail leave soon, and large pages cost less for each lead. */
const firstPageLeadCount = 500;
const pageLeadCount = 5_000;

/** Reads the next page of the audience and writes its batches. */
export async function planNext({
  store,
  env,
  now,
}: Pick<SessionContext, 'store' | 'env' | 'now'>): Promise<void> {
  const { spec, plan } = store.session();
  const limit = Math.min(pageLeadCount, Math.max(firstPageLeadCount, plan.plannedCount));
  const page = await planPage(env.DB, {
    audience: spec.audience,
    afterLeadId: plan.afterLeadId,
    maxLeadId: spec.maxLeadId,
    revision: spec.revision ?? 0,
    // Whole batches only: a short batch is a call to the mail API that carries less than it could.
    limit: Math.max(spec.batchLeadCount, Math.floor(limit / spec.batchLeadCount) * spec.batchLeadCount),
  });
  store.transact(() => {
    const session = store.session();
    // Meanwhile a cancel has ended the plan, or another slice has planned this page.
    if (session.plan.isDone || session.plan.afterLeadId !== plan.afterLeadId) return;
    store.batches.append(chunk(page.leadIds, spec.batchLeadCount).map(plannedBatch));
    const planned: Session = {
      ...session,
      plan: {
        ...session.plan,
        afterLeadId: page.leadIds.at(-1) ?? plan.afterLeadId,
        plannedCount: plan.plannedCount + page.leadIds.length,
      },
    };
    store.save(page.done ? touch(planned, now(), endPlan(planned)) : planned);
  });
}

function chunk(leadIds: readonly number[], size: number): number[][] {
  const chunks: number[][] = [];
  for (let start = 0; start < leadIds.length; start += size) chunks.push(leadIds.slice(start, start + size));
  return chunks;
}
