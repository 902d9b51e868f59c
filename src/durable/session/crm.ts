/**
 * SessionCrm: the calls of one session to the foreign CRM that it was started with.
 *
 * Owns the permits that it has leased from the CRM's gate, in memory, the repeats of a call, and its time limit. What
 * an answer means is core/crm/push.ts. Touches no rows. Invariants: no call leaves without a permit; no call leaves for
 * another account than that of the session's spec; an undo leaves no sooner than the pushes of an instance that has
 * died are over.
 *
 * @module
 */
import { nextPushStep, type PushOutcome, type PushTries, type RecordRefusal } from '../../core/crm/push.ts';
import type { SessionSpec } from '../../core/session/session.ts';
import type { Permit } from '../../core/session/slice.ts';
import type { CrmRecord, SetCall } from '../../crm/port.ts';
import { CrmUnavailable } from '../../runtime/faults.ts';
import { inTime } from '../../runtime/in-time.ts';
import type { LogFields, LogLevel } from '../../runtime/log.ts';
import type { CrmAllowance } from '../../shared/crm.ts';
import { crmAccount, type CrmAccount } from '../crm-account.ts';
import { PermitPool } from '../sending/permit-pool.ts';

/** A CRM writes a hundred records in some hundred ms; one that takes longer is asked again. */
const crmTimeoutMs = 15_000;
/** The allowance is stored so often, and sooner where a twentieth of it was used since. */
const allowanceEveryMs = 60_000;
/** Longer waits end the slice. */
const patienceMs = 10_000;

interface CrmContext {
  settings(): Env;
  now(): number;
  random(): number;
  sleep(ms: number): Promise<void>;
  log(level: LogLevel, event: string, fields: LogFields): void;
  waitUntil(promise: Promise<unknown>): void;
}

export type CrmAnswer =
  | { kind: 'set'; refusals: RecordRefusal[] }
  /** A person has to act. */
  | { kind: 'pause'; reason: 'crm_auth' | 'crm_quota'; message: string }
  /** A command came; nothing left. */
  | { kind: 'stopped' };

export type SetWanted = Pick<SetCall, 'batch' | 'order' | 'records' | 'mayLeave'>;

export class SessionCrm {
  readonly #context: CrmContext;
  readonly #permits: PermitPool;
  /** Calls of an instance before this one are over by then; epoch ms. */
  readonly #quietAt: number;
  #account: CrmAccount | null = null;
  /** As it was stored last. */
  #allowance: CrmAllowance | null = null;

  constructor(context: CrmContext) {
    this.#context = context;
    this.#quietAt = context.now() + crmTimeoutMs;
    this.#permits = new PermitPool(
      (wantedCount) => this.#required().lease(wantedCount),
      () => context.now(),
      (waitingCount) => waitingCount,
    );
  }

  /**
   * Looks for the CRM of a session in the settings, before the first call of a slice or of a giving back.
   *
   * @returns null when it is there; else why it is not, for a person
   */
  connect({ crm }: Pick<SessionSpec, 'crm'>): string | null {
    if (crm === undefined) throw new Error('The session has no CRM.');
    const account = crmAccount(this.#context.settings(), () => this.#context.now());
    if (account.kind === 'refused') return account.message;
    const { provider, host, source } = account.kind === 'ready' ? account.port.target : {};
    if (account.kind === 'none' || provider !== crm.provider || host !== crm.host || source !== crm.source) {
      return `This activation was started with the CRM ${crm.provider} at ${crm.host}, which is not the one in the settings. Put its settings back and resume, or cancel.`;
    }
    this.#account = account;
    return null;
  }

  /** Calls a second that the CRM takes. Only after {@link connect}. */
  get ratePerSecond(): number {
    return this.#required().port.ratePerSecond;
  }

  /** When the next call may leave. */
  permit(): Promise<Permit> {
    return this.#permits.permit();
  }

  /** Gives back a permit that no call needs. */
  returnPermit(permit: Permit): void {
    this.#permits.giveBack(permit);
  }

  /**
   * Sets records active.
   *
   * @throws CrmUnavailable when the CRM does not answer, or has no permit soon; a repeat is safe
   */
  activate(spec: SessionSpec, wanted: SetWanted, permit: Permit | null): Promise<CrmAnswer> {
    return this.#set(spec, wanted, spec.crm?.active ?? {}, permit);
  }

  /**
   * Sets records to what they have when they are not active, in as many calls as it takes. Records that the CRM refuses
   * are gone from it.
   *
   * @throws CrmUnavailable when not all of them are set; a repeat is safe
   */
  async undo(spec: SessionSpec, order: number, records: readonly CrmRecord[]): Promise<void> {
    if (records.length === 0) return;
    const { now, sleep } = this.#context;
    const quietMs = this.#quietAt - now();
    if (quietMs > 0 && quietMs <= crmTimeoutMs) await sleep(quietMs);
    await this.#setAll(spec, order, records, spec.crm?.undone ?? {});
  }

  /**
   * Sets records active again that an undo has reached and our ledger has kept.
   *
   * @throws CrmUnavailable when not all of them are set; a repeat is safe
   */
  restore(spec: SessionSpec, order: number, records: readonly CrmRecord[]): Promise<void> {
    return this.#setAll(spec, order, records, spec.crm?.active ?? {});
  }

  async #setAll(
    spec: SessionSpec,
    order: number,
    records: readonly CrmRecord[],
    set: SetCall['set'],
  ): Promise<void> {
    const { log } = this.#context;
    if (records.length === 0) return;
    const { maxBatch } = this.#required().port;
    for (let from = 0; from < records.length; from += maxBatch) {
      const part = records.slice(from, from + maxBatch);
      const answer = await this.#set(spec, { batch: null, order, records: part }, set, null);
      if (answer.kind === 'pause') throw new CrmUnavailable(answer.message);
      if (answer.kind === 'set' && answer.refusals.length > 0)
        log('info', 'crm_set_refused', {
          count: answer.refusals.length,
          code: answer.refusals[0]?.code ?? '',
        });
    }
  }

  async #set(
    { sessionId }: SessionSpec,
    { batch, order, records, mayLeave }: SetWanted,
    set: SetCall['set'],
    firstPermit: Permit | null,
  ): Promise<CrmAnswer> {
    const { random, sleep, log } = this.#context;
    const { port } = this.#required();
    const tries: PushTries = { failed: 0, throttled: 0 };
    let permit = firstPermit;
    for (;;) {
      if (!(await this.#waitForSlot(permit, mayLeave))) return { kind: 'stopped' };
      permit = null;
      const outcome = await inTime(crmTimeoutMs, (signal) =>
        port.set({
          ...{ sessionId, batch, order, set, records, signal },
          ...(mayLeave === undefined ? {} : { mayLeave }),
        }),
      );
      this.#report(outcome);
      if (outcome.kind === 'unavailable') tries.failed++;
      if (outcome.kind === 'throttled') tries.throttled++;
      const step = nextPushStep(outcome, tries, random);
      switch (step.kind) {
        case 'done':
          return { kind: 'set', refusals: step.refusals };
        case 'pause':
        case 'stopped':
          return step;
        case 'giveUp':
          throw new CrmUnavailable(step.message || `${port.title} does not answer.`);
        case 'repeat':
          log('info', 'crm_repeat', { batch, outcome: outcome.kind, ...codeOf(outcome) });
          if (step.delayMs > 0) await sleep(step.delayMs);
          break;
        default:
          return step satisfies never;
      }
    }
  }

  /** Waits for the slot of a permit, and takes another one where it has passed; false when nothing may leave. */
  async #waitForSlot(first: Permit | null, mayLeave: (() => boolean) | undefined): Promise<boolean> {
    const { now, sleep } = this.#context;
    for (let permit = first; ; permit = await this.#permits.permit()) {
      if (permit === null) continue;
      const waitMs = permit.at - now();
      if (permit.kind === 'later' && waitMs > patienceMs)
        throw new CrmUnavailable(`${this.#required().port.title} asked us to wait.`);
      if (waitMs > 0) await sleep(Math.min(waitMs, patienceMs));
      if (mayLeave?.() === false) return false;
      if (this.#permits.isUsable(permit)) return true;
    }
  }

  #report(outcome: PushOutcome): void {
    this.#noteAllowance();
    if (outcome.kind !== 'throttled') return;
    this.#permits.clear();
    this.#context.waitUntil(
      this.#required()
        .slowDown(outcome.retryAfterMs)
        .catch(() => undefined),
    );
  }

  #noteAllowance(): void {
    const { port, noteAllowance } = this.#required();
    const { allowance = null } = port;
    const known = this.#allowance;
    if (allowance === null) return;
    const isNews =
      known === null ||
      allowance.at - known.at >= allowanceEveryMs ||
      allowance.usedCount - known.usedCount >= allowance.maxCount / 20;
    if (!isNews) return;
    this.#allowance = allowance;
    this.#context.waitUntil(noteAllowance().catch(() => undefined));
  }

  #required(): CrmAccount {
    if (this.#account === null) throw new Error('The CRM was not connected.');
    return this.#account;
  }
}

const codeOf = (outcome: PushOutcome): { code?: string } => ('code' in outcome ? { code: outcome.code } : {});
