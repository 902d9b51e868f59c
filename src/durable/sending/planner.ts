/**
 * The planner: pages the audience of a session into pending batches.
 *
 * Owns: how large a page is, and writing one. Never: who is in the audience (crm/audience.ts), when to plan
 * (core/session/slice.ts). Invariant: a page is written once, also when two slices have read it.
 *
 * @module
 */
import { plannedBatch } from '../../core/batch/batch.ts';
import { endPlan, touch, type Session } from '../../core/session/session.ts';
import { planPage } from '../../crm/audience.ts';
import type { SliceContext } from '../session/slice-context.ts';

/** Pages grow: the first mails must not wait behind large ones in the database, and large ones are cheap per lead. */
const firstPageLeadCount = 500;
const pageLeadCount = 5_000;

/** Reads the next page of the audience and writes its batches. */
export async function planNext({
  store,
  db,
  now,
}: Pick<SliceContext, 'store' | 'db' | 'now'>): Promise<void> {
  const { spec, plan } = store.session();
  const limit = Math.min(pageLeadCount, Math.max(firstPageLeadCount, plan.plannedCount));
  const page = await planPage(db, {
    audience: spec.audience,
    afterLeadId: plan.afterLeadId,
    maxLeadId: spec.maxLeadId,
    revision: spec.revision ?? 0,
    // Whole batches: a short one is a call to the mail API that carries less than it could.
    limit: Math.max(spec.batchLeadCount, Math.floor(limit / spec.batchLeadCount) * spec.batchLeadCount),
  });
  store.transact(() => {
    const session = store.session();
    // A cancel ended the plan meanwhile, or another slice has planned this page.
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
