/**
 * The promises of waves, as code: who is in which wave, and what must be true when the next one begins.
 *
 * Owns a record of its own: the wave of each lead by its place among the leads of the session, when the mail of a wave
 * was settled, and who went on. It reads the product's row of waves only to compare it with that.
 *
 * @module
 */
import { nextDayAt, type Wave, type Waves } from '../../src/core/session/wave-plan.ts';
import { leadsOfWave, type WavePlan } from '../../src/shared/waves.ts';
import type { Call } from './world/mail-api.ts';

export type WaveInvariant =
  | 'a wave keeps its members'
  | 'a wave counts its own leads'
  | 'nothing leaves over its wave'
  | 'a wave is watched'
  | "a day's wave waits for its day"
  | 'a broken limit holds the wave'
  | 'nothing leaves while a wave is held';

/** What is read of a session's rows. */
export interface WaveRows {
  state: string;
  waves: Waves;
  /** Of the frozen audience. */
  total: number;
  isChecking: boolean;
}

export interface WaveParts {
  /** True time. */
  nowMs(): number;
  wallMs(): number;
  isClockTrue(): boolean;
  /** By the rows on disk; null where there are none. */
  rowsOf(sessionId: string): WaveRows | null;
  /** The session has acknowledged that this mail bounced. */
  isBounced(sessionId: string, leadId: number): boolean;
  fail(invariant: WaveInvariant, detail: string): void;
}

interface WaveRecord {
  plan: WavePlan;
  /** The provider reports bounces and complaints. */
  isReported: boolean;
  /** The last lead of each wave, from when all of them were planned. */
  ends: Map<number, number>;
  /** When all mail of a wave was first settled; true time. */
  settledAt: Map<number, number>;
  /** When the first leads of a wave were planned; by the clock of that time. */
  startedAt: Map<number, number>;
  /** Waves from which a person went on. */
  goneOn: Set<number>;
  /** When a person last had mail sent again; true time. */
  reopenedAt: number;
  presentNumber: number;
  /** When a commit said that it is held; true time. */
  heldSince: number | null;
}

/** A commit may hold the gate, and a retry after it. */
const commitMs = 15;
/** A result is settled when it is written, and seen here when that is on disk. */
const commitDelayMs = 50;

const isOpen = (state: string): boolean => state === 'pending' || state === 'p';

export class WaveChecks {
  readonly #parts: WaveParts;
  readonly #records = new Map<string, WaveRecord>();

  constructor(parts: WaveParts) {
    this.#parts = parts;
  }

  /** A session with waves is about to be started. */
  started(sessionId: string, plan: WavePlan, isReported: boolean): void {
    this.#records.set(sessionId, {
      ...{ plan, isReported, ends: new Map(), settledAt: new Map(), startedAt: new Map(), goneOn: new Set() },
      ...{ reopenedAt: -Infinity, presentNumber: 1, heldSince: null },
    });
  }

  /** A person's request to go on from a wave arrives. */
  goesOn(sessionId: string, after: number): void {
    this.#records.get(sessionId)?.goneOn.add(after);
  }

  /** A person has mail sent or asked about again. */
  reopened(sessionId: string): void {
    const record = this.#records.get(sessionId);
    if (record !== undefined) record.reopenedAt = this.#parts.nowMs();
  }

  /** A session with waves has committed something. @param states - the result of each of its leads, by the rows */
  committed(sessionId: string, states: ReadonlyMap<number, string>): void {
    const record = this.#records.get(sessionId);
    if (record === undefined) return;
    const rows = this.#parts.rowsOf(sessionId);
    if (rows === null) return;
    const members = this.#membersOf(sessionId, record, rows, states);
    for (const wave of rows.waves.begun) {
      this.#checkEnds(sessionId, record, wave, rows.waves.begun[wave.number - 2] ?? null);
      this.#checkCounts(sessionId, wave, members.get(wave.number) ?? [], states);
    }
    // First: one commit may settle a wave and begin the next.
    for (const { number, lastLeadId, startedAt } of rows.waves.begun) {
      if (startedAt !== null && !record.startedAt.has(number)) record.startedAt.set(number, startedAt);
      const leadIds = members.get(number) ?? [];
      const isSettled =
        lastLeadId !== null && leadIds.every((leadId) => !isOpen(states.get(leadId) ?? 'pending'));
      if (isSettled && !record.settledAt.has(number)) record.settledAt.set(number, this.#parts.nowMs());
    }
    for (let number = record.presentNumber + 1; number <= rows.waves.begun.length; number++)
      this.#checkBegin(sessionId, record, rows, number, members, states);
    record.presentNumber = Math.max(record.presentNumber, rows.waves.begun.length);
    record.heldSince = rows.state === 'wave_held' ? (record.heldSince ?? this.#parts.nowMs()) : null;
  }

  /** The leads of each wave: by their place in the order of ids, whatever the product says of waves. */
  #membersOf(
    sessionId: string,
    { plan }: WaveRecord,
    { waves, total }: WaveRows,
    states: ReadonlyMap<number, string>,
  ): Map<number, number[]> {
    const members = new Map<number, number[]>();
    let [number, leftCount] = [1, sizeOf(plan, 1, total)];
    for (const leadId of [...states.keys()].sort((one, other) => one - other)) {
      if (leftCount === 0) leftCount = sizeOf(plan, ++number, total);
      leftCount--;
      const wave = waves.begun.findLast(({ afterLeadId }) => afterLeadId < leadId);
      if (wave?.number !== number || (wave.lastLeadId !== null && leadId > wave.lastLeadId)) {
        const found = wave === undefined ? 'none' : `${wave.number}, which ends with ${wave.lastLeadId}`;
        this.#parts.fail(
          'a wave keeps its members',
          `lead ${leadId} of ${sessionId} belongs to wave ${number} and is in ${found}`,
        );
      }
      const known = members.get(number);
      if (known === undefined) members.set(number, [leadId]);
      else known.push(leadId);
    }
    return members;
  }

  #checkEnds(sessionId: string, { ends }: WaveRecord, wave: Wave, before: Wave | null): void {
    const { number, afterLeadId, lastLeadId } = wave;
    const end = ends.get(number);
    if (end !== undefined && end !== lastLeadId)
      this.#parts.fail(
        'a wave keeps its members',
        `wave ${number} of ${sessionId} ended with lead ${end} and ends with ${lastLeadId}`,
      );
    if (lastLeadId !== null) ends.set(number, lastLeadId);
    if (before !== null && before.lastLeadId !== afterLeadId)
      this.#parts.fail(
        'a wave keeps its members',
        `wave ${number} of ${sessionId} begins after lead ${afterLeadId}, the one before ends with ${before.lastLeadId}`,
      );
  }

  #checkCounts(
    sessionId: string,
    { number, plannedCount, counts }: Wave,
    leadIds: readonly number[],
    states: ReadonlyMap<number, string>,
  ): void {
    const countOf = (state: string): number =>
      leadIds.filter((leadId) => states.get(leadId) === state).length;
    const figures: [string, number, number][] = [
      ['leads', plannedCount, leadIds.length],
      ['sent', counts.sent, countOf('s')],
      ['failed', counts.failed, countOf('f')],
      ['unknown', counts.unknown, countOf('u')],
      ['skipped', counts.skipped, countOf('skipped')],
      ['refused', counts.refused, countOf('refused')],
    ];
    for (const [name, counted, found] of figures) {
      if (counted !== found)
        this.#parts.fail(
          'a wave counts its own leads',
          `wave ${number} of ${sessionId} has ${counted} ${name}, the rows have ${found}`,
        );
    }
  }

  /** What has to be true of the wave before. */
  #checkBegin(
    sessionId: string,
    record: WaveRecord,
    { waves }: WaveRows,
    number: number,
    members: ReadonlyMap<number, readonly number[]>,
    states: ReadonlyMap<number, string>,
  ): void {
    const { fail, isClockTrue } = this.#parts;
    const { plan, goneOn, settledAt, startedAt, isReported } = record;
    const before = number - 1;
    const nowMs = this.#parts.nowMs();
    const what = `wave ${number} of ${sessionId} began`;
    if (waves.begun[before - 1]?.passedBy != null) {
      if (!goneOn.has(before))
        fail('nothing leaves over its wave', `${what}, and nobody went on from ${before}`);
      return;
    }
    const settled = settledAt.get(before);
    if (settled === undefined)
      return void fail('nothing leaves over its wave', `${what} while mail of wave ${before} was open`);
    const earlier = [...members].flatMap(([of, leadIds]) => (of < number ? leadIds : []));
    const open = earlier.find((leadId) => isOpen(states.get(leadId) ?? 'pending'));
    if (open !== undefined && nowMs - record.reopenedAt > commitMs)
      fail('nothing leaves over its wave', `${what} while the mail of lead ${open} was open`);
    const watchMs = isReported ? plan.watchMinutes * 60_000 : 0;
    if (isClockTrue() && nowMs - settled < watchMs - commitDelayMs)
      fail('a wave is watched', `${what} ${nowMs - settled} ms after the one before was settled`);
    const startedMs = startedAt.get(before);
    if ('perDay' in plan && isClockTrue() && startedMs !== undefined) {
      const dayAt = nextDayAt(plan.perDay, startedMs);
      if (this.#parts.wallMs() < dayAt)
        fail("a day's wave waits for its day", `${what} ${dayAt - this.#parts.wallMs()} ms early`);
    }
    const broken = this.#brokenLimit(sessionId, record, members.get(before) ?? [], states);
    if (broken !== null) fail('a broken limit holds the wave', `${what}: of the one before ${broken}`);
  }

  /** By what the session has acknowledged: it may know more. */
  #brokenLimit(
    sessionId: string,
    { plan: { limits } }: WaveRecord,
    leadIds: readonly number[],
    states: ReadonlyMap<number, string>,
  ): string | null {
    const countOf = (...of: string[]): number =>
      leadIds.filter((leadId) => of.includes(states.get(leadId) ?? '')).length;
    const bouncedCount = leadIds.filter((leadId) => this.#parts.isBounced(sessionId, leadId)).length;
    const figures: [string, number, number, number][] = [
      ['bounced', bouncedCount, countOf('s', 'u'), limits.bouncedPercent],
      ['failed', countOf('f'), countOf('s', 'f', 'u'), limits.failedPercent],
    ];
    for (const [name, count, of, percent] of figures) {
      const share = Math.floor((percent * Math.max(of, count, limits.minMails)) / 100 + 1e-9);
      const allowed = percent === 0 ? 0 : Math.max(1, share);
      if (count > allowed && percent < 100) return `${count} of ${of} ${name}, and ${allowed} may`;
    }
    return null;
  }

  /**
   * True once a second wave has begun, because nobody of the first one may have been left to mail, or once a person went on:
   * the first wave may be held before its first call.
   */
  isPastFirst(sessionId: string): boolean {
    const record = this.#records.get(sessionId);
    return record !== undefined && (record.presentNumber > 1 || record.goneOn.size > 0);
  }

  /** A call leaves. */
  departed({ sessionId, leadIds }: Call): void {
    const record = this.#records.get(sessionId);
    if (record === undefined) return;
    const { heldSince } = record;
    if (heldSince === null || this.#parts.nowMs() <= heldSince) return;
    // A person may have the provider asked about mail in doubt.
    if (this.#parts.rowsOf(sessionId)?.isChecking === true) return;
    this.#parts.fail(
      'nothing leaves while a wave is held',
      `${sessionId} called for lead ${leadIds.join(', ')} ${this.#parts.nowMs() - heldSince} ms after it was held`,
    );
  }
}

/** How many leads a wave has, where so many are left. */
function sizeOf(plan: WavePlan, number: number, total: number): number {
  if ('perDay' in plan) return plan.perDay.leads;
  const size = plan.sizes[number - 1];
  const before = plan.sizes.slice(0, number - 1).reduce((sum, each) => sum + leadsOfWave(each, total), 0);
  // An audience that has become smaller has fewer waves: then the last one has the rest.
  if (size === undefined || before >= total) return Infinity;
  return Math.min(leadsOfWave(size, total), total - before);
}
