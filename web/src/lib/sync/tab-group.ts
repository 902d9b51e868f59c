/**
 * This tab among the other tabs of its browser: the channel between them, the leader's lock, and this tab's
 * role. `tab-leader.ts` decides the role; this class holds what that decision is made from.
 *
 * Does not know sessions: it hands on the messages about them, and is told how many are live.
 *
 * Invariants: a tab holds or waits for the lock only while it is visible and has a live session; after
 * {@link TabGroup.stop} it holds no lock and no channel.
 *
 * @module
 */
import type { BrowserPorts, TabChannel } from './ports.ts';
import { roleAt, type Role } from './tab-leader.ts';
import { timing } from './timing.ts';
import { isTabMessage, type TabMessage } from './wire.ts';

/** A message about a session. `hello` and `heartbeat` are the group's own. */
export type SessionMessage = Exclude<TabMessage, { kind: 'hello' | 'heartbeat' }>;

export interface TabGroupListener {
  /** Another tab says something about a session. */
  message(message: SessionMessage): void;
  /** A tab was opened or shown, and this one leads: tell it what is known. */
  asked(): void;
  /** The role may be another one now: call {@link TabGroup.settle}. */
  changed(): void;
}

export class TabGroup {
  readonly #ports: Pick<BrowserPorts, 'now' | 'openChannel' | 'requestLead' | 'isVisible'>;
  readonly #listener: TabGroupListener;
  #channel: TabChannel | null = null;
  /** Gives the lock up, or stops waiting for it; null when it was not asked for. */
  #giveUpLead: (() => void) | null = null;
  #holdsLock = false;
  /** When the leader was last heard, or when this tab began to wait for one. */
  #leaderHeardAt = 0;
  #heartbeatAt = 0;
  #role: Role = 'idle';

  constructor(
    ports: Pick<BrowserPorts, 'now' | 'openChannel' | 'requestLead' | 'isVisible'>,
    listener: TabGroupListener,
  ) {
    this.#ports = ports;
    this.#listener = listener;
  }

  get role(): Role {
    return this.#role;
  }

  /** When {@link TabGroup.tick} is due, in epoch milliseconds; null when no time matters. */
  get nextTickAt(): number | null {
    if (this.#role === 'lead') return this.#heartbeatAt;
    if (this.#role === 'listen') return this.#leaderHeardAt + timing.leaderLostMs;
    return null;
  }

  /** Joins the other tabs. */
  start(): void {
    this.#leaderHeardAt = this.#ports.now();
    this.#channel = this.#ports.openChannel?.((message) => this.#receive(message)) ?? null;
  }

  /** Leaves the other tabs, and the lead to one of them. */
  stop(): void {
    this.#dropLead();
    this.#channel?.close();
    this.#channel = null;
    this.#role = 'idle';
  }

  /** The tab is visible again: the leader gets its full time to be heard. */
  shown(): void {
    this.#leaderHeardAt = this.#ports.now();
  }

  post(message: TabMessage): void {
    this.#channel?.post(message);
  }

  /** Sends the heartbeat that is due. A lost leader needs no action: {@link TabGroup.settle} finds it out. */
  tick(): void {
    const now = this.#ports.now();
    if (this.#role !== 'lead' || now < this.#heartbeatAt) return;
    this.#heartbeatAt = now + timing.beatIntervalMs;
    this.post({ kind: 'heartbeat' });
  }

  /**
   * Asks for the lock or gives it up, and decides the role.
   *
   * @param liveCount - tracked sessions that are still going
   * @returns true when this tab has just become the leader
   */
  settle(liveCount: number): boolean {
    const now = this.#ports.now();
    const supported = this.#channel !== null && this.#ports.requestLead !== null;
    const visible = this.#ports.isVisible();
    const wanted = visible && liveCount > 0 && supported;
    if (wanted && this.#giveUpLead === null) {
      this.#leaderHeardAt = now;
      this.#giveUpLead =
        this.#ports.requestLead?.(() => {
          this.#holdsLock = true;
          this.#listener.changed();
        }) ?? null;
    } else if (!wanted && this.#giveUpLead !== null) {
      this.#dropLead();
    }
    const role = roleAt(
      { visible, liveCount, supported, holdsLock: this.#holdsLock, leaderHeardAt: this.#leaderHeardAt },
      now,
    );
    if (role === this.#role) return false;
    this.#role = role;
    if (role !== 'lead') return false;
    this.#heartbeatAt = now + timing.beatIntervalMs;
    return true;
  }

  #receive(message: unknown): void {
    if (this.#channel === null || !isTabMessage(message)) return;
    switch (message.kind) {
      case 'hello':
        if (this.#role === 'lead') this.#listener.asked();
        return;
      case 'heartbeat':
        this.#leaderHeardAt = this.#ports.now();
        this.#listener.changed();
        return;
      default:
        this.#listener.message(message);
    }
  }

  #dropLead(): void {
    this.#giveUpLead?.();
    this.#giveUpLead = null;
    this.#holdsLock = false;
  }
}
