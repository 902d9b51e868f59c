/**
 * DeliveryEvents: writes what webhooks report of a session's mails.
 *
 * Collects events that arrive together and writes them in one transaction with the counters, so that the counters
 * are correct after any crash. Does not check signatures and does not send. Invariants: `add` resolves when its
 * event is on disk and the domain's warm-up has it, so the caller may drop it; a repeated event writes nothing; an
 * event about an unknown mail settles it as sent; one flush writes one row for each 256 neighbouring leads and one for
 * the session, however many events there are.
 *
 * @module
 */
import { countBatch, countDelta, proveTaken } from '../../core/batch/batch.ts';
import { reportEvents, type BitsChange } from '../../core/events/make-events.ts';
import {
  withDeliveryEvent,
  deliveryDelta,
  type DeliveryCounts,
  type DeliveryReport,
  type GuardLimits,
} from '../../core/batch/delivery-status.ts';
import { countOnMailDays } from '../../core/session/mail-days.ts';
import { applyCounts, applyDeliveries, type Session } from '../../core/session/session.ts';
import {
  anyLeadOf,
  countDeliveriesInWaves,
  countInWave,
  holdBrokenWave,
  waveIndexOf,
} from '../../core/session/waves.ts';
import type { SessionStore } from '../store/session-store.ts';

/** Leads of one row: the leads of a batch are mostly neighbours. */
const blockLeadCount = 256;

/**
 * How long, in ms, the first event waits for others. At 800 mails a second about eighty come together, so that an
 * event costs a twentieth of a row. It also limits how much a flood slows the session: a provider with fifty open
 * requests delivers five hundred events a second, which leaves the object most of its time.
 */
const gatherMs = 100;

export interface DeliveryContext {
  store: SessionStore;
  now(): number;
  limits(): GuardLimits;
  /** Tells the warm-up of the sender's domain what it does not know yet. */
  tellWarmUp(): Promise<void>;
  /** The counters have changed, or there are events, and they are on disk. */
  changed(before: Session, after: Session): void;
}

export class DeliveryEvents {
  readonly #context: DeliveryContext;
  #waiting: DeliveryReport[] = [];
  #flush: Promise<void> | null = null;
  #telling: Promise<void> | null = null;

  constructor(context: DeliveryContext) {
    this.#context = context;
  }

  /**
   * Takes events of mails.
   *
   * @returns when they are on disk; at once, with nothing written, when there is no such session
   * @throws when the warm-up could not be told; the same events again tell it
   */
  async add(reports: readonly DeliveryReport[]): Promise<void> {
    if (reports.length === 0 || this.#context.store.load() === null) return;
    for (const report of reports) this.#waiting.push(report);
    await (this.#flush ??= this.#gather());
    await this.#tell();
  }

  /** One call at a time: what was written during it is in the next. */
  async #tell(): Promise<void> {
    while (this.#telling !== null) await this.#telling.catch(() => {});
    this.#telling = this.#context.tellWarmUp().finally(() => (this.#telling = null));
    await this.#telling;
  }

  async #gather(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, gatherMs));
    const reports = this.#waiting;
    this.#waiting = [];
    this.#flush = null;
    this.#write(reports);
  }

  #write(reports: readonly DeliveryReport[]): void {
    const { store, now, limits, changed } = this.#context;
    const change = store.transact((): { before: Session; after: Session } | null => {
      const before = store.load();
      // The session was erased while the events waited, or anonymized: then a late event must not be counted twice.
      if (before === null || before.spec.reducedAt !== undefined) return null;
      const { delta, byWave, changes } = this.#writeBits(before, reports);
      let after = this.#settleProven(before, reports);
      const events = store.outbox.isOn ? reportEvents(changes) : [];
      store.outbox.note(events, now());
      if (delta.delivered + delta.bounced + delta.complained > 0) {
        // The limits of a wave are the person's own; the guard is for those who have set none.
        after = holdBrokenWave(countDeliveriesInWaves(after, byWave), now());
        after = applyDeliveries(after, now(), delta, limits());
        after = countOnMailDays(after, eventsOf(changes));
      }
      if (after !== before) store.save(after);
      // An unsubscribe is an event, and changes no counter.
      else if (events.length === 0) return null;
      return { before, after };
    });
    if (change !== null) changed(change.before, change.after);
  }

  /** A mail with an event was taken. Settles unknown ones as sent; the same object where there are none. */
  #settleProven(before: Session, reports: readonly DeliveryReport[]): Session {
    if (before.counts.unknown === 0) return before;
    const { store, now } = this.#context;
    const { batches } = store;
    const told = new Set(reports.map(({ leadId }) => leadId));
    let session = before;
    for (const batch of batches.unknownOf([...told])) {
      const proven = proveTaken(batch, (leadId) => told.has(leadId));
      if (proven === null) continue;
      store.changeBatch(batch, proven, now());
      const delta = countDelta(countBatch(batch), countBatch(proven));
      session = applyCounts(countInWave(session, anyLeadOf(proven), delta), now(), delta);
    }
    return session;
  }

  /** Writes the bits; returns what changed, and what that adds to the counters and to those of each wave by its place. */
  #writeBits(
    { waves }: Session,
    reports: readonly DeliveryReport[],
  ): { delta: DeliveryCounts; byWave: Map<number, DeliveryCounts>; changes: BitsChange[] } {
    const { store } = this.#context;
    const delta: DeliveryCounts = { delivered: 0, bounced: 0, complained: 0 };
    const byWave = new Map<number, DeliveryCounts>();
    const changes: BitsChange[] = [];
    const byBlock = Map.groupBy(reports, ({ leadId }) => Math.floor(leadId / blockLeadCount));
    for (const [block, members] of byBlock) {
      const bits = store.deliveryBlock(block) ?? new Uint8Array(blockLeadCount);
      let isChanged = false;
      for (const { leadId, event } of members) {
        const index = leadId % blockLeadCount;
        const known = bits[index] ?? 0;
        const next = withDeliveryEvent(known, event);
        if (next === known) continue;
        bits[index] = next;
        isChanged = true;
        changes.push({ leadId, before: known, after: next });
        const added = deliveryDelta(known, next);
        delta.delivered += added.delivered;
        delta.bounced += added.bounced;
        delta.complained += added.complained;
        if (waves !== null) addTo(byWave, waveIndexOf(waves, leadId), added);
      }
      if (isChanged) store.saveDeliveryBlock(block, bits);
    }
    return { delta, byWave, changes };
  }
}

function eventsOf(changes: readonly BitsChange[]): { leadId: number; bounced: number; complained: number }[] {
  return changes.map(({ leadId, before, after }) => ({ leadId, ...deliveryDelta(before, after) }));
}

function addTo(byWave: Map<number, DeliveryCounts>, index: number, added: DeliveryCounts): void {
  const known = byWave.get(index);
  byWave.set(index, {
    delivered: (known?.delivered ?? 0) + added.delivered,
    bounced: (known?.bounced ?? 0) + added.bounced,
    complained: (known?.complained ?? 0) + added.complained,
  });
}

/** Reads the delivery bits of single leads, and caches the rows that it has read. */
export class DeliveryReader {
  readonly #store: SessionStore;
  readonly #blocks = new Map<number, Uint8Array | null>();

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /** The bits of a lead (core/batch/delivery-status.ts); 0 when nothing is known. */
  of(leadId: number): number {
    const block = Math.floor(leadId / blockLeadCount);
    let bits = this.#blocks.get(block);
    if (bits === undefined) this.#blocks.set(block, (bits = this.#store.deliveryBlock(block)));
    return bits?.[leadId % blockLeadCount] ?? 0;
  }
}
