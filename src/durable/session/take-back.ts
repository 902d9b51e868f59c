/**
 * Taking back an activation, as the object does it: the manifest of it, its start, and its parts in the alarm.
 *
 * Owns the pages. What may be taken back is core/session/take-back.ts, the change of the leads src/crm/take-back.ts.
 * Invariants: a page is counted in one transaction after the CRM has changed it, and a repeat of the page counts the
 * same; nothing is kept for each lead; the work of one alarm is bounded.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { crmBackoff } from '../../core/limits/backoff.ts';
import { backoffMs } from '../../shared/backoff.ts';
import { nextFence, type Session, type SessionSpec, type TakeBack } from '../../core/session/session.ts';
import {
  beginTakeBack,
  concernedLeads,
  countTakenBack,
  endTakeBack,
  isTakingBack,
  putOffTakeBack,
  refuseTakeBack,
  takeBackDueAt,
  type TakeBackRefusal,
} from '../../core/session/take-back.ts';
import { activeRecords, ownedRecords } from '../../crm/records.ts';
import { openRecovery } from '../../crm/recovery.ts';
import { forecastTakeBack, takeBackLeads } from '../../crm/take-back.ts';
import { classifyFault, faultText } from '../../runtime/faults.ts';
import { retentionDays, takeBackDays } from '../../runtime/settings.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import type { TakeBackChoice, TakeBackManifest } from '../../shared/take-back.ts';
import { uniqueSorted } from '../../shared/unique-sorted.ts';
import type { SessionContext } from './context.ts';

/** Leads of one page; the CRM writes 2 rows for each. */
const pageLeadCount = 5_000;
/** Leads of one question about what would be done. D1 takes a parameter of up to 2 MB. */
const forecastLeadCount = 25_000;
/** Rows that are read at once. */
const readBatchCount = 50;
/** One alarm spends no more time than this; the next one continues. */
const maxTurnMs = 20_000;

export type TakeBackForecastAnswer =
  | { kind: 'ok'; manifest: TakeBackManifest; manifestHash: string }
  | { kind: 'unknown_session' }
  | TakeBackRefusal;

export type TakeBackStart =
  | { kind: 'ok'; session: Session; isNew: boolean }
  /** Something else would be done by now. Nothing was changed. */
  | { kind: 'changed'; manifest: TakeBackManifest; manifestHash: string }
  | { kind: 'unknown_session' }
  | TakeBackRefusal;

/** What taking the session back would do now. Writes nothing. */
export async function forecastOf(
  context: SessionContext,
  choice: TakeBackChoice,
): Promise<TakeBackForecastAnswer> {
  const { store, env } = context;
  const session = store.load();
  if (session === null) return { kind: 'unknown_session' };
  const refused = refusal(context, session);
  if (refused !== null) return refused;
  const { sessionId } = session.spec;
  const revertedIds: number[] = [];
  let [alreadyTakenBack, leadCount, afterSeq] = [0, 0, 0];
  for (;;) {
    const page = readPage(context, { choice, afterSeq, leadCount: forecastLeadCount });
    if (page === null) break;
    afterSeq = page.afterSeq;
    const leadIds = [...page.unmailed, ...page.mailed];
    leadCount += leadIds.length;
    const part = await forecastTakeBack(env.DB, sessionId, leadIds);
    for (const leadId of part.revertedIds) revertedIds.push(leadId);
    alreadyTakenBack += part.alreadyTakenBack;
    if (store.load()?.generation !== session.generation) {
      const detail = 'Another command came meanwhile. Ask again.';
      return { kind: 'refused', code: 'illegal_transition', detail };
    }
  }
  const manifest: TakeBackManifest = {
    ...{ version: 1, kind: 'take_back', sessionId, choice },
    reverted: { count: revertedIds.length, sha256: sha256(canonicalJson(uniqueSorted(revertedIds))) },
    alreadyTakenBack,
    kept: leadCount - revertedIds.length - alreadyTakenBack,
  };
  return { kind: 'ok', manifest, manifestHash: sha256(canonicalJson(manifest)) };
}

/**
 * Begins to take the session back, if its manifest still has this hash. The same request again finds it.
 *
 * @param by - who has it taken back
 */
export async function startTakeBack(
  context: SessionContext,
  wanted: { choice: TakeBackChoice; manifestHash: string; by: string },
): Promise<TakeBackStart> {
  const { store, now } = context;
  const { choice, manifestHash } = wanted;
  const known = found(store.load(), wanted);
  if (known !== null) return known;
  const made = await forecastOf(context, choice);
  // The same request may have come twice at once.
  const meanwhile = found(store.load(), wanted);
  if (meanwhile !== null) return meanwhile;
  if (made.kind !== 'ok') return made;
  const { manifest } = made;
  if (made.manifestHash !== manifestHash)
    return { kind: 'changed', manifest, manifestHash: made.manifestHash };
  if (manifest.reverted.count === 0) {
    const detail = 'No lead would become new again.';
    return { kind: 'refused', code: 'illegal_transition', detail };
  }
  return store.transact((): TakeBackStart => {
    const session = store.session();
    const refused = refusal(context, session);
    if (refused !== null) return refused;
    const begun = beginTakeBack(session, { ...wanted, fence: nextFence(session, now()) }, now());
    store.save(begun, wanted.by);
    return { kind: 'ok', session: begun, isNew: true };
  });
}

function found(
  session: Session | null,
  { choice, manifestHash }: { choice: TakeBackChoice; manifestHash: string },
): TakeBackStart | null {
  if (session?.takeBack?.manifestHash !== manifestHash || session.takeBack.choice !== choice) return null;
  return { kind: 'ok', session, isNew: false };
}

function refusal({ settings, now }: SessionContext, session: Session): TakeBackRefusal | null {
  const days = { takeBackDays: takeBackDays(settings()), retentionDays: retentionDays(settings()) };
  return refuseTakeBack(session, days, now());
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

interface Page {
  afterSeq: number;
  unmailed: number[];
  mailed: number[];
}

/** The next batches that hold leads of the choice, or null after the last one. A page has at least one batch. */
function readPage(
  { store }: Pick<SessionContext, 'store'>,
  place: { choice: TakeBackChoice; afterSeq: number; leadCount: number; batchCount?: number },
): Page | null {
  const { choice, leadCount, batchCount = Number.POSITIVE_INFINITY } = place;
  const page: Page = { afterSeq: place.afterSeq, unmailed: [], mailed: [] };
  const filter = {
    recipientStates: choice === 'all' ? '*[fsu]*' : '*f*',
    hasSkipped: false,
    isUndecided: false,
  };
  let batches = 0;
  for (;;) {
    const read = store.results.page(page.afterSeq + 1, filter, Math.min(readBatchCount, batchCount));
    for (const batch of read) {
      const leads = concernedLeads(batch, choice);
      const size = page.unmailed.length + page.mailed.length;
      const isFull = size + leads.unmailed.length + leads.mailed.length > leadCount;
      if (batches > 0 && (isFull || batches >= batchCount)) return page;
      page.unmailed.push(...leads.unmailed);
      page.mailed.push(...leads.mailed);
      page.afterSeq = batch.seq;
      batches++;
    }
    if (read.length === 0) return batches === 0 ? null : page;
  }
}

/** The foreign CRM of a session. */
type CrmSpec = NonNullable<SessionSpec['crm']>;

/** Carries out the parts of a taking back, in the alarm. */
export class SessionTakeBack {
  readonly #context: SessionContext;
  /** Faults in a row. In memory only: losing it makes the next wait shorter. */
  #faultCount = 0;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /**
   * Goes on with a session that is being taken back, as far as one alarm may. A fault of the CRM puts the rest off.
   *
   * @throws what the object's own storage throws
   */
  async goOn(): Promise<void> {
    const { store, now, publish, sleep } = this.#context;
    const endsAt = now() + maxTurnMs;
    /** Batches of the next page: one, after the CRM has refused a page, so that the others are not lost with it. */
    let batchCount = Number.POSITIVE_INFINITY;
    while (
      isTakingBack(store.session()) &&
      now() < endsAt &&
      takeBackDueAt(store.session(), now()) <= now()
    ) {
      try {
        batchCount = await this.#takeBackPage(batchCount);
        this.#faultCount = 0;
      } catch (error) {
        const { kind } = classifyFault(error);
        if (kind === 'storage') throw error;
        this.#context.log('warn', 'take_back_fault', { fault: kind, error: faultText(error) });
        // The next instance goes on from the rows.
        if (kind === 'superseded') return;
        this.#putOff();
      }
      publish();
      // Requests are answered between two pages.
      await sleep(0);
    }
  }

  /** Takes back one page. @returns how many batches the next page may have */
  async #takeBackPage(batchCount: number): Promise<number> {
    const { store, env, now, log } = this.#context;
    const { takeBack, fence, spec } = store.session();
    if (takeBack === null) return batchCount;
    if ((await openRecovery(env.DB)) !== null) {
      // Until the database agrees with the sessions again, nothing says which leads are this one's.
      this.#putOff();
      return batchCount;
    }
    const { choice, afterSeq } = takeBack;
    const page = readPage(this.#context, { choice, afterSeq, leadCount: pageLeadCount, batchCount });
    if (page === null) {
      store.transact(() => store.save(endTakeBack(store.session(), now())));
      const { reverted, kept, failed } = takeBack;
      log('info', 'taken_back', { reverted, kept, failed });
      return batchCount;
    }
    const { unmailed, mailed } = page;
    const leadIds = [...unmailed, ...mailed];
    const count = leadIds.length;
    const { sessionId } = spec;
    try {
      const crm = this.#reachableCrm(spec);
      if (crm !== undefined) await this.#undoInCrm(spec, crm, fence, leadIds);
      const reverted = await takeBackLeads(env.DB, {
        sessionId,
        number: fence,
        unmailed,
        mailed,
        nowMs: now(),
      });
      if (crm !== undefined) await this.#restoreInCrm(spec, crm, fence, leadIds);
      this.#count(takeBack, { afterSeq: page.afterSeq, reverted, kept: count - reverted, failed: 0 });
      return Number.POSITIVE_INFINITY;
    } catch (error) {
      if (classifyFault(error).kind !== 'refused') throw error;
      if (batchCount > 1) return 1;
      log('error', 'take_back_refused', { seq: page.afterSeq, error: faultText(error) });
      this.#count(takeBack, { afterSeq: page.afterSeq, reverted: 0, kept: 0, failed: count });
      return 1;
    }
  }

  /** Undoes in the foreign CRM what is about to be reverted, while the leads are still this session's. */
  async #undoInCrm(spec: SessionSpec, { source }: CrmSpec, order: number, leadIds: number[]): Promise<void> {
    const { env, crm } = this.#context;
    const { sessionId } = spec;
    const { revertedIds } = await forecastTakeBack(env.DB, sessionId, leadIds);
    await crm.undo(spec, order, await ownedRecords(env.DB, { sessionId, source, leadIds: revertedIds }));
  }

  /**
   * Sets active again in the foreign CRM what is active here after all: a lead that was changed between the two. All leads
   * of the page are looked at, because a page that broke off between them does not know which.
   */
  async #restoreInCrm(
    spec: SessionSpec,
    { source }: CrmSpec,
    order: number,
    leadIds: number[],
  ): Promise<void> {
    const { env, crm } = this.#context;
    await crm.restore(spec, order, await activeRecords(env.DB, { source, leadIds }));
  }

  /** Undefined also where the settings do not name the session's CRM any more: nobody can reach it, and our leads are reverted. */
  #reachableCrm(spec: SessionSpec): CrmSpec | undefined {
    if (spec.crm === undefined) return undefined;
    const { crm, log } = this.#context;
    if (crm.connect(spec) === null) return spec.crm;
    log('warn', 'crm_undo_left_out', { sessionId: spec.sessionId });
    return undefined;
  }

  /** Counts a page. Turns do not overlap, so nothing has counted it meanwhile. */
  #count(takeBack: TakeBack, page: Parameters<typeof countTakenBack>[1]): void {
    const { store, now } = this.#context;
    store.transact(() => {
      const session = store.session();
      if (session.takeBack?.afterSeq !== takeBack.afterSeq) throw new Error('A page was counted twice.');
      store.save(countTakenBack(session, page, now()));
    });
  }

  #putOff(): void {
    const { store, now, random } = this.#context;
    this.#faultCount++;
    const nextAt = now() + backoffMs(crmBackoff, this.#faultCount, random);
    store.transact(() => store.save(putOffTakeBack(store.session(), nextAt)));
  }
}
