/**
 * MailGate: one object per mail account, and one per account of a foreign CRM; all sessions lease their permits from it.
 *
 * Owns the account's time line and the day's caps, on disk. The decisions are core/limits/rate-limit.ts and
 * core/limits/daily-cap.ts. Does not send.
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
  throttle,
  type GateConfig,
  type GateState,
  type LateCall,
  type Lease,
} from '../core/limits/rate-limit.ts';
import { gateConfig } from '../runtime/settings.ts';

/** What an answer told a session of the provider's rate limit. */
export interface GateReport {
  throttled: { retryAfterMs: number | null } | null;
  rate: RateObservation | null;
  /** Calls at the limit that came to the provider late. A session of an earlier version does not say it. */
  lateCalls?: readonly LateCall[];
}

export class MailGate extends DurableObject<Env> {
  #state: GateState | null = null;

  /** Leases up to `wantedCount` permits. Sessions are served in the order in which they ask. */
  lease(wantedCount: number): Lease {
    return this.leaseAt(gateConfig(this.env).maxRatePerSecond, wantedCount);
  }

  /** {@link lease} of an account with another rate than that of mail: a foreign CRM. */
  leaseAt(maxRatePerSecond: number, wantedCount: number): Lease {
    const config = { maxRatePerSecond };
    const known = this.#load(config);
    const { state, lease } = leasePermits(known, config, this.now(), wantedCount);
    // `seenAt` went down: the clock was set back, and the moved times must be stored.
    if (lease.permitCount > 0 || state.seenAt < known.seenAt) this.#save(state);
    return lease;
  }

  /** Takes in a 429, a rate header or late calls; they count for every lease from now on. */
  report(report: GateReport, maxRatePerSecond = gateConfig(this.env).maxRatePerSecond): void {
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
    if (lateCalls.length > 0) state = noteLateCalls(state, config, nowMs, lateCalls);
    if (isOfDisk) this.#save(state);
    else this.#state = state;
  }

  /**
   * Takes mails out of a domain's allowance of the day, over all sessions. It is on disk before it is granted: a
   * crash may waste some of a day, but never exceeds it.
   */
  reserve(domain: string, dailyCap: number, mailCount: number): Allowance {
    const taken = takeAllowance(this.#cap(domain), dailyCap, this.now(), mailCount);
    if (taken.allowance.kind === 'granted') this.#saveCap(domain, taken.state);
    return taken.allowance;
  }

  /** Gives back what was reserved on `day` and did not leave. */
  refund(domain: string, day: number, mailCount: number): void {
    const state = refundAllowance(this.#cap(domain), day, mailCount);
    if (state !== null) this.#saveCap(domain, state);
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

  /** Epoch ms; a test replaces it. */
  protected now(): number {
    return Date.now();
  }
}
