/**
 * MailGate: one object per mail account; all sessions draw their permits from it.
 *
 * Owns: the account's time line, persisted. Never: mail. The decisions are core/permits.ts.
 * Invariant: a lease is on disk before it is given out, so an evicted gate never gives a slot twice.
 *
 * @module
 */
import { DurableObject } from 'cloudflare:workers';
import type { RateObservation } from '../core/outcome.ts';
import {
  initialGate,
  leasePermits,
  observeRate,
  throttle,
  type GateConfig,
  type GateState,
  type Lease,
} from '../core/permits.ts';

/** News of the provider's limit, as a session saw it in an answer. */
export interface GateReport {
  throttled: { retryAfterMs: number | null } | null;
  rate: RateObservation | null;
}

/** `MAIL_RATE` that cannot be read as a positive number falls back to the safe one. */
export function gateConfig(env: Pick<Env, 'MAIL_RATE'>): GateConfig {
  const rate = Number(env.MAIL_RATE);
  return { maxRatePerSecond: Number.isFinite(rate) && rate > 0 ? rate : 8 };
}

export class MailGate extends DurableObject<Env> {
  #state: GateState | null = null;

  /** Leases up to `wantedCount` permits; sessions that ask in turn are served in turn. */
  lease(wantedCount: number): Lease {
    const config = gateConfig(this.env);
    const { state, lease } = leasePermits(this.#load(config), config, this.now(), wantedCount);
    if (lease.permitCount > 0) this.#save(state);
    return lease;
  }

  /** A 429 or a rate header: everyone who asks from now on hears of it. */
  report(report: GateReport): void {
    const config = gateConfig(this.env);
    const nowMs = this.now();
    let state = this.#load(config);
    if (report.throttled !== null) state = throttle(state, config, nowMs, report.throttled.retryAfterMs);
    if (report.rate !== null) state = observeRate(state, config, nowMs, report.rate);
    this.#save(state);
  }

  #load(config: GateConfig): GateState {
    if (this.#state !== null) return this.#state;
    this.ctx.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS gate (
         id INTEGER PRIMARY KEY CHECK (id = 1),
         next_slot_at REAL NOT NULL, rate_per_second REAL NOT NULL, rate_changed_at REAL NOT NULL
       ) STRICT`,
    );
    const row = this.ctx.storage.sql
      .exec<{ next_slot_at: number; rate_per_second: number; rate_changed_at: number }>('SELECT * FROM gate')
      .toArray()[0];
    this.#state =
      row === undefined
        ? initialGate(config, this.now())
        : {
            nextSlotAt: row.next_slot_at,
            ratePerSecond: row.rate_per_second,
            rateChangedAt: row.rate_changed_at,
          };
    return this.#state;
  }

  #save(state: GateState): void {
    this.#state = state;
    this.ctx.storage.sql.exec(
      'INSERT OR REPLACE INTO gate (id, next_slot_at, rate_per_second, rate_changed_at) VALUES (1, ?, ?, ?)',
      state.nextSlotAt,
      state.ratePerSecond,
      state.rateChangedAt,
    );
  }

  /** A test puts another clock in its place. */
  protected now(): number {
    return Date.now();
  }
}
