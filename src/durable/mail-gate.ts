/**
 * MailGate: one object per mail account, and one per account of a foreign CRM; all sessions lease their permits from it.
 *
 * Owns the account's time line, the day's caps and the warm-up of its domains, on disk. The decisions are
 * core/limits/rate-limit.ts, daily-cap.ts, warm-up.ts and, of the last two together, reservation.ts. Does not send.
 * Invariant: a lease is on disk before it is granted, so an evicted gate never grants a slot twice.
 *
 * @module
 */
import { DurableObject } from 'cloudflare:workers';
import { refundAllowance, takeAllowance, type Allowance, type CapState } from '../core/limits/daily-cap.ts';
import type { RateObservation } from '../core/batch/outcome.ts';
import {
  initialGate,
  leasePermits,
  noteLateCalls,
  observeRate,
  presentRate,
  throttle,
  type GateConfig,
  type GateState,
  type LateCall,
  type Lease,
} from '../core/limits/rate-limit.ts';
import { reserveMails, warmUpToday, type DomainState, type Reservation } from '../core/limits/reservation.ts';
import {
  batchCountInWarmUp,
  forecastOf,
  withMode,
  withResults,
  type LateResults,
  type WarmUp,
} from '../core/limits/warm-up.ts';
import { dailyCap, gateConfig, warmUpPlan } from '../runtime/settings.ts';
import type { ChosenWarmUpMode, WarmUpForecast } from '../shared/warm-up.ts';
import { WarmUpStore } from './mail/warm-up-store.ts';

/** What an answer told a session of the provider's rate limit. */
export interface GateReport {
  throttled: { retryAfterMs: number | null } | null;
  rate: RateObservation | null;
  /** Calls at the limit that came to the provider late. A session of an earlier version does not say it. */
  lateCalls?: readonly LateCall[];
}

/** A domain's warm-up as it is today. */
export interface WarmUpReport extends Pick<
  WarmUp,
  'mode' | 'day' | 'level' | 'restUntil' | 'verdict' | 'days'
> {
  domain: string;
  /** Mails of today so far. */
  sentCount: number;
  forecast: WarmUpForecast;
  /** The most mails of a batch; null: as many as the provider takes. */
  batchCount: number | null;
}

export class MailGate extends DurableObject<Env> {
  #state: GateState | null = null;
  readonly #warmUps = new WarmUpStore(this.ctx.storage.sql);

  /**
   * Leases up to `wantedCount` permits, each of which counts for `weight`. Sessions are served in the order in which
   * they ask.
   */
  lease(wantedCount: number, weight = 1): Lease {
    return this.leaseAt(gateConfig(this.settings()).maxRatePerSecond, wantedCount, weight);
  }

  /** {@link lease} of an account with another rate than that of mail: a foreign CRM. */
  leaseAt(maxRatePerSecond: number, wantedCount: number, weight = 1): Lease {
    const config = { maxRatePerSecond };
    const known = this.#load(config);
    const { state, lease } = leasePermits(known, config, this.now(), wantedCount, weight);
    // `seenAt` went down: the clock was set back, and the moved times must be stored.
    if (lease.permitCount > 0 || state.seenAt < known.seenAt) this.#save(state);
    return lease;
  }

  /** Takes in a 429, a rate header or late calls; they count for every lease from now on. */
  report(report: GateReport, maxRatePerSecond = gateConfig(this.settings()).maxRatePerSecond): void {
    const config = { maxRatePerSecond };
    const nowMs = this.now();
    let state = this.#load(config);
    if (report.throttled !== null) {
      state = throttle(state, config, nowMs, report.throttled.retryAfterMs, report.rate);
    }
    if (report.rate !== null) state = observeRate(state, config, nowMs, report.rate);
    // Late calls are kept in memory: they need no write of their own.
    const isOfDisk = report.throttled !== null || report.rate !== null;
    const { lateCalls = [] } = report;
    if (lateCalls.length > 0) state = noteLateCalls(state, lateCalls);
    if (isOfDisk) this.#save(state);
    else this.#state = state;
  }

  /** The present rate of calls as a part of the configured one, in percent. */
  ratePercent(): number {
    const config = gateConfig(this.settings());
    return (100 * presentRate(this.#load(config), config, this.now())) / config.maxRatePerSecond;
  }

  /**
   * Takes mails out of a domain's day, over all sessions: under the daily cap and the warm-up of the settings. It is on
   * disk before it is granted: a crash may waste some of a day, but never exceeds it.
   */
  reserveMails(domain: string, mailCount: number): Reservation {
    const settings = this.settings();
    const limits = { dailyCap: dailyCap(settings), warmUp: warmUpPlan(settings) };
    const { state, reservation } = reserveMails(this.#domain(domain), limits, domain, this.now(), mailCount);
    if (state.warmUp !== null && limits.warmUp !== null) this.#warmUps.save(domain, state.warmUp);
    if (state.cap !== null && reservation.kind === 'granted') this.#saveCap(domain, state.cap);
    return reservation;
  }

  /** {@link reserveMails} for sessions of the version before, which has the daily cap only. */
  reserve(domain: string, cap: number, mailCount: number): Allowance {
    const taken = takeAllowance(this.#cap(domain), cap, this.now(), mailCount);
    if (taken.allowance.kind === 'granted') this.#saveCap(domain, taken.state);
    return taken.allowance;
  }

  /** Gives back what was reserved on `day` and did not leave. */
  refund(domain: string, day: number, mailCount: number): void {
    const state = refundAllowance(this.#cap(domain), day, mailCount);
    if (state !== null) this.#saveCap(domain, state);
  }

  /**
   * Takes in bounces and complaints of a session's mails, as sums of the days on which these were sent. The same sums
   * again change nothing.
   */
  countResults(domain: string, sessionId: string, results: readonly LateResults[]): void {
    const plan = warmUpPlan(this.settings());
    if (plan === null) return;
    const nowMs = this.now();
    const warmUp = warmUpToday(this.#domain(domain), plan, nowMs);
    if (warmUp === null) return;
    const added = this.#warmUps.count(domain, sessionId, results, warmUp.day);
    if (added.length > 0) this.#warmUps.save(domain, withResults(warmUp, plan, added));
  }

  /** The warm-up of a domain, also before its first mail; null while domains are not warmed up. */
  warmUp(domain: string): WarmUpReport | null {
    const settings = this.settings();
    const plan = warmUpPlan(settings);
    if (plan === null) return null;
    const state = this.#domain(domain);
    const warmUp = warmUpToday(state, plan, this.now());
    if (warmUp === null) return null;
    const { mode, day, level, restUntil, verdict, days } = warmUp;
    const sentCount = state.cap?.day === day ? state.cap.usedCount : 0;
    return {
      ...{ domain, mode, day, level, restUntil, verdict, days, sentCount },
      forecast: forecastOf(warmUp, plan, sentCount),
      batchCount: batchCountInWarmUp(warmUp, plan),
    };
  }

  /** The domains that have begun to be warmed up. */
  warmedDomains(): string[] {
    return warmUpPlan(this.settings()) === null ? [] : this.#warmUps.domains();
  }

  /** Holds a domain's warm-up, lets it go on, or takes the domain for warm; null while domains are not warmed up. */
  setWarmUp(domain: string, mode: ChosenWarmUpMode): WarmUpReport | null {
    const plan = warmUpPlan(this.settings());
    const warmUp = plan === null ? null : warmUpToday(this.#domain(domain), plan, this.now());
    if (warmUp !== null) this.#warmUps.save(domain, withMode(warmUp, mode));
    return this.warmUp(domain);
  }

  #domain(domain: string): DomainState {
    const isWarmingUp = warmUpPlan(this.settings()) !== null;
    return { cap: this.#cap(domain), warmUp: isWarmingUp ? this.#warmUps.load(domain) : null };
  }

  #cap(domain: string): CapState | null {
    this.ctx.storage.sql.exec(
      'CREATE TABLE IF NOT EXISTS cap (domain TEXT PRIMARY KEY, day INTEGER NOT NULL, used_count INTEGER NOT NULL) STRICT, WITHOUT ROWID',
    );
    const row = this.ctx.storage.sql
      .exec<{ day: number; used_count: number }>('SELECT day, used_count FROM cap WHERE domain = ?', domain)
      .toArray()[0];
    return row === undefined ? null : { day: row.day, usedCount: row.used_count };
  }

  #saveCap(domain: string, { day, usedCount }: CapState): void {
    this.ctx.storage.sql.exec(
      'INSERT OR REPLACE INTO cap (domain, day, used_count) VALUES (?, ?, ?)',
      domain,
      day,
      usedCount,
    );
  }

  #load(config: GateConfig): GateState {
    if (this.#state !== null) return this.#state;
    this.ctx.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS gate (
         id INTEGER PRIMARY KEY CHECK (id = 1),
         next_slot_at REAL NOT NULL, rate_per_second REAL NOT NULL, rate_changed_at REAL NOT NULL,
         seen_at REAL NOT NULL DEFAULT 0
       ) STRICT`,
    );
    const columns = this.ctx.storage.sql.exec<{ name: string }>('PRAGMA table_info(gate)').toArray();
    if (!columns.some(({ name }) => name === 'seen_at')) {
      // The table of an earlier version.
      this.ctx.storage.sql.exec('ALTER TABLE gate ADD COLUMN seen_at REAL NOT NULL DEFAULT 0');
    }
    const row = this.ctx.storage.sql
      .exec<{ next_slot_at: number; rate_per_second: number; rate_changed_at: number; seen_at: number }>(
        'SELECT * FROM gate',
      )
      .toArray()[0];
    this.#state =
      row === undefined
        ? initialGate(config, this.now())
        : {
            ...initialGate(config, row.seen_at),
            nextSlotAt: row.next_slot_at,
            ratePerSecond: row.rate_per_second,
            rateChangedAt: row.rate_changed_at,
            seenAt: row.seen_at,
          };
    return this.#state;
  }

  #save(state: GateState): void {
    this.#state = state;
    this.ctx.storage.sql.exec(
      `INSERT OR REPLACE INTO gate (id, next_slot_at, rate_per_second, rate_changed_at, seen_at)
       VALUES (1, ?, ?, ?, ?)`,
      state.nextSlotAt,
      state.ratePerSecond,
      state.rateChangedAt,
      state.seenAt,
    );
  }

  /** Bindings that the gate reads its limits from; a test replaces them. */
  protected settings(): Env {
    return this.env;
  }

  /** Epoch ms; a test replaces it. */
  protected now(): number {
    return Date.now();
  }
}
