/**
 * The planner: pages the audience of a session into pending batches.
 *
 * Owns the size of a page and the write of one. Who is in the audience is decided in crm/audience.ts, when to plan
 * in core/session/slice.ts, where a wave ends in core/session/waves.ts. Invariants: a page is written once, also when two
 * slices have read it; a batch has leads of one wave.
 *
 * @module
 */
import { plannedBatch } from '../../core/batch/batch.ts';
import { presentWave } from '../../core/session/wave-gate.ts';
import { planLeads, roomInWave } from '../../core/session/waves.ts';
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
  const session = store.session();
  const { spec, plan } = session;
  const room = roomInWave(session);
  const limit = Math.min(pageLeadCount, Math.max(firstPageLeadCount, plan.plannedCount));
  // Whole batches only: a short batch is a call to the mail API that carries less than it could.
  const wholeCount = Math.max(
    spec.batchLeadCount,
    Math.floor(limit / spec.batchLeadCount) * spec.batchLeadCount,
  );
  // Nothing is planned beyond the wave. The lead after it is asked for, to know whether there is one.
  const fillCount = room !== null && room <= wholeCount ? room : null;
  const page = await planPage(env.DB, {
    audience: spec.audience,
    afterLeadId: plan.afterLeadId,
    maxLeadId: spec.maxLeadId,
    revision: spec.revision ?? 0,
    limit: fillCount === null ? wholeCount : fillCount + 1,
  });
  const leadIds = fillCount === null ? page.leadIds : page.leadIds.slice(0, fillCount);
  const done = fillCount === null ? page.done : page.leadIds.length <= fillCount;
  store.transact(() => {
    const present = store.session();
    // Meanwhile a cancel has ended the plan, or another slice has planned this page.
    if (present.plan.isDone || present.plan.afterLeadId !== plan.afterLeadId) return;
    if (presentWave(present)?.number !== presentWave(session)?.number) return;
    store.batches.append(chunk(leadIds, spec.batchLeadCount).map(plannedBatch));
    store.save(planLeads(present, { leadIds, done }, now()));
  });
}

function chunk(leadIds: readonly number[], size: number): number[][] {
  const chunks: number[][] = [];
  for (let start = 0; start < leadIds.length; start += size) chunks.push(leadIds.slice(start, start + size));
  return chunks;
}
