/**
 * All sessions of one tab: joins the store, the followers and the leadership between tabs, and carries out
 * the effects that those decide. The browser is behind {@link HubPorts}, so the manager runs under a fake clock.
 *
 * Invariants: a session's numbers only ever pass through `reduceProgress`; at most one visible tab of a
 * healthy browser asks the server about a tracked session; a stopped manager holds no timer, stream or lock.
 *
 * @module
 */
import { isTerminal, reduceProgress, type Issue, type Progress } from '../../../../src/shared/progress.ts';
import {
  newFollower,
  nextTickAt,
  stepFollower,
  type FollowerEffect,
  type FollowerEvent,
  type FollowerState,
} from './follower.ts';
import { roleAt, type Role } from './tab-leader.ts';
import type { TrackedSession, TrackedSessionStore } from './store.ts';
import { timing } from './timing.ts';
import { isTabMessage, type Link, type TabMessage } from './wire.ts';

/** What a progress request came back with. */
export type PollAnswer =
  | { kind: 'progress'; progress: Progress; etag: string | null }
  | { kind: 'unchanged' }
  | { kind: 'missing' }
  | { kind: 'refused'; retryAfterMs: number | null; permanent: boolean; signedOut: boolean }
  | { kind: 'failed' };

export interface StreamHandlers {
  onOpen(): void;
  onProgress(progress: Progress, final: boolean): void;
  onIssues(rev: number, issues: Issue[]): void;
  onDeleted(): void;
  /** The connection is gone, for whatever reason; the port does not reconnect. */
  onClosed(): void;
}

/** The browser, as verbs. */
export interface HubPorts {
  now(): number;
  random(): number;
  /** Calls back once; returns how to cancel. */
  setTimer(run: () => void, delayMs: number): () => void;
  poll(sessionId: string, etag: string | null, signal: AbortSignal): Promise<PollAnswer>;
  /** Null where the browser has no EventSource. Returns how to close. */
  openStream: ((sessionId: string, handlers: StreamHandlers) => () => void) | null;
  /** Null where the browser has no BroadcastChannel. */
  openChannel:
    ((onMessage: (message: unknown) => void) => { post(message: TabMessage): void; close(): void }) | null;
  /** Waits for the leader's lock; returns how to give it up or stop waiting. Null without Web Locks. */
  requestLead: ((onHeld: () => void) => () => void) | null;
  isVisible(): boolean;
  isOnline(): boolean;
}

/** One session as the screens see it. */
export interface SessionView {
  sessionId: string;
  /** Null until the first answer; screens show a skeleton, never zeros. */
  progress: Progress | null;
  link: Link;
  issues: Issue[];
  /** Shown in the tracker; false for a run that is only looked at. */
  tracked: boolean;
}

interface Entry {
  view: SessionView;
  issuesRev: number;
  /** The start request is on its way from this very tab: nothing to ask yet. */
  held: boolean;
  pendingUntil: number;
  /** The server said that it knows no such session: asking again would say it again. */
  missing: boolean;
  follower: FollowerState | null;
  closeStream: (() => void) | null;
  abort: AbortController | null;
  observerCount: number;
}

export class SessionManager {
  readonly #ports: HubPorts;
  readonly #store: TrackedSessionStore;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  /** Sessions that a person started or resumed while this page was open, here or in another tab. */
  readonly #live = new Set<string>();
  #channel: { post(message: TabMessage): void; close(): void } | null = null;
  #giveUpLead: (() => void) | null = null;
  #holdsLock = false;
  #leaderHeardAt = 0;
  #beatAt = 0;
  #role: Role = 'idle';
  #cancelTimer: (() => void) | null = null;
  #running = false;

  constructor(ports: HubPorts, store: TrackedSessionStore, onChange: () => void) {
    this.#ports = ports;
    this.#store = store;
    this.#onChange = onChange;
  }

  get role(): Role {
    return this.#role;
  }

  /** Sessions in the order in which they were started. */
  views(): SessionView[] {
    return [...this.#entries.values()]
      .map((entry) => entry.view)
      .sort((a, b) => a.sessionId.localeCompare(b.sessionId));
  }

  /** Begins to follow what the store holds. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#leaderHeardAt = this.#ports.now();
    this.#channel = this.#ports.openChannel?.((message) => this.#onMessage(message)) ?? null;
    for (const session of this.#store.list()) this.#adopt(session);
    this.#channel?.post({ kind: 'hello' });
    this.#changed();
  }

  /** Lets go of everything; nothing is lost, the store and the server know it all. */
  stop(): void {
    this.#running = false;
    for (const entry of this.#entries.values()) this.#stopFollower(entry);
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#dropLead();
    this.#channel?.close();
    this.#channel = null;
    this.#role = 'idle';
  }

  /** Writes the id down before its start request leaves. */
  expect(sessionId: string): void {
    this.#store.add(sessionId, this.#ports.now());
    const entry = this.#entry(sessionId, true);
    entry.held = true;
    this.#changed();
  }

  /** The start request got no answer and is given up: the server is asked whether it got through. */
  release(sessionId: string): void {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined) return;
    entry.held = false;
    entry.pendingUntil = this.#ports.now() + timing.pendingGraceMs;
    this.#changed();
  }

  /** A session that a person here started, resumed or retried: tracked, and worth a stream. */
  begin(progress: Progress): void {
    const { sessionId } = progress;
    if (this.#store.get(sessionId) === null) this.#store.add(sessionId, this.#ports.now());
    const entry = this.#entry(sessionId, true);
    entry.held = false;
    entry.missing = false;
    this.#live.add(sessionId);
    this.#take(progress, true);
    this.#channel?.post({ kind: 'track', sessionId, live: true });
    if (entry.follower !== null) this.#step(entry, { kind: 'live' });
    this.#changed();
  }

  /** Progress that came as the answer to something else, such as a pause. */
  offer(progress: Progress): void {
    this.#take(progress, true);
    this.#changed();
  }

  /** Forgets a session in every tab: dismissed by a person, or refused at its start. */
  dismiss(sessionId: string): void {
    this.#forget(sessionId, true);
    this.#changed();
  }

  /** Follows a session that this browser does not track, while someone looks. Returns how to stop. */
  observe(sessionId: string): () => void {
    const entry = this.#entry(sessionId, false);
    entry.observerCount += 1;
    this.#changed();
    return () => {
      entry.observerCount -= 1;
      if (entry.observerCount === 0 && !entry.view.tracked && this.#entries.get(sessionId) === entry) {
        this.#stopFollower(entry);
        this.#entries.delete(sessionId);
      }
      this.#changed();
    };
  }

  /** The tab was shown or hidden. */
  visibilityChanged(): void {
    if (!this.#running) return;
    if (this.#ports.isVisible()) {
      this.#leaderHeardAt = this.#ports.now();
      for (const session of this.#store.list()) this.#adopt(session);
      this.#channel?.post({ kind: 'hello' });
    }
    this.#changed();
  }

  /** The browser says that it is on- or offline. That is a hint only: asking the server is the proof. */
  connectivityChanged(): void {
    for (const entry of this.#entries.values()) {
      if (entry.follower !== null) this.#step(entry, { kind: 'nudge' });
    }
    this.#changed();
  }

  /** Another tab wrote or removed a stored session. */
  storedSessionChanged(sessionId: string): void {
    const session = this.#store.get(sessionId);
    if (session === null) this.#forget(sessionId, false);
    // While pending, the tab that starts it knows more than the server does.
    else if (!session.pending) this.#adopt(session);
    this.#changed();
  }

  // ── sessions ───────────────────────────────────────────────────────────────────────────────────

  #entry(sessionId: string, tracked: boolean): Entry {
    let entry = this.#entries.get(sessionId);
    if (entry === undefined) {
      entry = {
        view: { sessionId, progress: null, link: 'connecting', issues: [], tracked },
        issuesRev: -1,
        held: false,
        pendingUntil: 0,
        missing: false,
        follower: null,
        closeStream: null,
        abort: null,
        observerCount: 0,
      };
      this.#entries.set(sessionId, entry);
    } else if (tracked && !entry.view.tracked) {
      entry.view = { ...entry.view, tracked: true };
    }
    return entry;
  }

  #adopt(session: TrackedSession): void {
    const entry = this.#entry(session.sessionId, true);
    if (session.pending) entry.pendingUntil = session.addedAt + timing.pendingGraceMs;
    if (session.progress !== null) this.#take(session.progress, false);
  }

  /** The only way in for numbers. `first`: from the server, so worth telling the store and the other tabs. */
  #take(progress: Progress, first: boolean): void {
    const entry = this.#entries.get(progress.sessionId);
    if (entry === undefined) return;
    const newest = reduceProgress(entry.view.progress, progress);
    if (newest !== entry.view.progress) entry.view = { ...entry.view, progress: newest };
    if (first && newest === progress && entry.view.tracked) {
      this.#store.remember(progress);
      this.#channel?.post({ kind: 'progress', progress });
    }
  }

  #forget(sessionId: string, tellOthers: boolean): void {
    const entry = this.#entries.get(sessionId);
    this.#store.remove(sessionId);
    this.#live.delete(sessionId);
    if (tellOthers) this.#channel?.post({ kind: 'gone', sessionId });
    if (entry === undefined) return;
    if (entry.observerCount > 0) {
      entry.view = { ...entry.view, tracked: false };
      return;
    }
    this.#stopFollower(entry);
    this.#entries.delete(sessionId);
  }

  #isLive(entry: Entry): boolean {
    const { progress } = entry.view;
    return !entry.held && !entry.missing && (progress === null || !isTerminal(progress));
  }

  // ── between tabs ───────────────────────────────────────────────────────────────────────────────

  #onMessage(message: unknown): void {
    if (!this.#running || !isTabMessage(message)) return;
    switch (message.kind) {
      case 'hello':
        if (this.#role === 'lead') this.#tellAll();
        return;
      case 'heartbeat':
        this.#leaderHeardAt = this.#ports.now();
        break;
      case 'track': {
        const entry = this.#entry(message.sessionId, true);
        if (message.live) this.#live.add(message.sessionId);
        // Where storage is not shared, this message is all that the tab will ever get.
        if (this.#store.get(message.sessionId) === null)
          this.#store.add(message.sessionId, this.#ports.now());
        if (message.live && entry.follower !== null) this.#step(entry, { kind: 'live' });
        break;
      }
      case 'progress':
        this.#take(message.progress, false);
        break;
      case 'issues':
        this.#takeIssues(message.sessionId, message.rev, message.issues);
        break;
      case 'link': {
        const entry = this.#entries.get(message.sessionId);
        if (entry !== undefined && this.#role === 'listen')
          entry.view = { ...entry.view, link: message.link };
        break;
      }
      case 'gone':
        this.#forget(message.sessionId, false);
        break;
      default:
        message satisfies never;
    }
    this.#changed();
  }

  #tellAll(): void {
    this.#channel?.post({ kind: 'heartbeat' });
    for (const { view, issuesRev } of this.#entries.values()) {
      if (!view.tracked || view.progress === null) continue;
      this.#channel?.post({ kind: 'progress', progress: view.progress });
      this.#channel?.post({ kind: 'link', sessionId: view.sessionId, link: view.link });
      if (issuesRev >= 0) {
        this.#channel?.post({
          kind: 'issues',
          sessionId: view.sessionId,
          rev: issuesRev,
          issues: view.issues,
        });
      }
    }
  }

  #takeIssues(sessionId: string, rev: number, issues: Issue[]): void {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined || rev < entry.issuesRev) return;
    entry.issuesRev = rev;
    entry.view = { ...entry.view, issues };
  }

  #dropLead(): void {
    this.#giveUpLead?.();
    this.#giveUpLead = null;
    this.#holdsLock = false;
  }

  // ── the loop ───────────────────────────────────────────────────────────────────────────────────

  /** Brings role, followers and timer in line with what is known, and tells the screens. */
  #changed(): void {
    if (this.#running) {
      this.#settleRole();
      for (const entry of this.#entries.values()) this.#settleFollower(entry);
      this.#arm();
    }
    this.#onChange();
  }

  #settleRole(): void {
    const now = this.#ports.now();
    const supported = this.#channel !== null && this.#ports.requestLead !== null;
    const visible = this.#ports.isVisible();
    const liveCount = [...this.#entries.values()].filter(
      (entry) => entry.view.tracked && this.#isLive(entry),
    ).length;
    const wanted = visible && liveCount > 0 && supported;
    if (wanted && this.#giveUpLead === null) {
      this.#leaderHeardAt = now;
      this.#giveUpLead =
        this.#ports.requestLead?.(() => {
          this.#holdsLock = true;
          this.#changed();
        }) ?? null;
    } else if (!wanted && this.#giveUpLead !== null) {
      this.#dropLead();
    }
    const role = roleAt(
      { visible, liveCount, supported, holdsLock: this.#holdsLock, leaderHeardAt: this.#leaderHeardAt },
      now,
    );
    if (role === this.#role) return;
    this.#role = role;
    if (role === 'lead') {
      this.#beatAt = now + timing.beatIntervalMs;
      this.#tellAll();
      // Whoever asked for itself meanwhile did so without a stream.
      for (const entry of this.#entries.values()) {
        if (this.#live.has(entry.view.sessionId)) this.#step(entry, { kind: 'live' });
      }
    }
  }

  /** A tracked session is followed by the tab that leads or is alone, a looked-at one wherever it is seen. */
  #settleFollower(entry: Entry): void {
    const here = entry.view.tracked
      ? this.#role === 'lead' || this.#role === 'alone'
      : this.#ports.isVisible();
    const wanted = here && this.#isLive(entry);
    if (!wanted) {
      this.#stopFollower(entry);
      return;
    }
    if (entry.follower !== null && !entry.follower.over) return;
    const { sessionId, progress } = entry.view;
    entry.follower = newFollower({
      nowMs: this.#ports.now(),
      // One stream for one browser: eight tabs that each held one would use up its connections to us.
      wantsStream: this.#role === 'lead' && this.#live.has(sessionId) && this.#ports.openStream !== null,
      rev: progress?.rev,
      pendingUntil: entry.pendingUntil,
    });
    this.#step(entry, { kind: 'tick' });
  }

  #stopFollower(entry: Entry): void {
    entry.closeStream?.();
    entry.closeStream = null;
    entry.abort?.abort();
    entry.abort = null;
    entry.follower = null;
  }

  #step(entry: Entry, event: FollowerEvent): void {
    if (entry.follower === null) return;
    const step = stepFollower(entry.follower, event, this.#ports.now(), () => this.#ports.random());
    entry.follower = step.state;
    if (step.state.link !== entry.view.link) {
      entry.view = { ...entry.view, link: step.state.link };
      if (entry.view.tracked) {
        this.#channel?.post({ kind: 'link', sessionId: entry.view.sessionId, link: step.state.link });
      }
    }
    for (const effect of step.effects) this.#applyCommand(entry, effect);
  }

  #applyCommand(entry: Entry, effect: FollowerEffect): void {
    switch (effect.kind) {
      case 'open-stream':
        this.#openStream(entry);
        return;
      case 'close-stream':
        entry.closeStream?.();
        entry.closeStream = null;
        return;
      case 'poll':
        void this.#poll(entry, effect.etag);
        return;
      case 'finish':
        // Its progress is already taken; the follower is dropped when the manager settles.
        this.#live.delete(entry.view.sessionId);
        return;
      case 'forget':
        entry.missing = true;
        this.#forget(entry.view.sessionId, true);
        return;
      default:
        effect satisfies never;
    }
  }

  #openStream(entry: Entry): void {
    entry.closeStream?.();
    let open = true;
    const close = this.#ports.openStream?.(entry.view.sessionId, {
      onOpen: () => heard(() => this.#step(entry, { kind: 'stream-open' })),
      onProgress: (progress, final) =>
        heard(() => {
          this.#take(progress, true);
          this.#step(entry, { kind: 'stream-progress', progress, final });
        }),
      onIssues: (rev, issues) =>
        heard(() => {
          this.#takeIssues(entry.view.sessionId, rev, issues);
          this.#channel?.post({ kind: 'issues', sessionId: entry.view.sessionId, rev, issues });
          this.#step(entry, { kind: 'stream-heard' });
        }),
      onDeleted: () => heard(() => this.#step(entry, { kind: 'erased' })),
      onClosed: () => heard(() => this.#step(entry, { kind: 'stream-closed' })),
    });
    const heard = (then: () => void): void => {
      if (!open) return;
      then();
      this.#changed();
    };
    entry.closeStream = () => {
      open = false;
      close?.();
    };
  }

  async #poll(entry: Entry, etag: string | null): Promise<void> {
    const abort = new AbortController();
    entry.abort = abort;
    const answer = await this.#ports.poll(entry.view.sessionId, etag, abort.signal);
    // Whoever stopped the follower meanwhile asks again when it matters.
    if (abort.signal.aborted) return;
    switch (answer.kind) {
      case 'progress':
        this.#take(answer.progress, true);
        this.#step(entry, { kind: 'poll-progress', progress: answer.progress, etag: answer.etag });
        break;
      case 'unchanged':
        this.#step(entry, { kind: 'poll-unchanged' });
        break;
      case 'missing':
        this.#step(entry, { kind: 'poll-missing' });
        break;
      case 'refused':
        this.#step(entry, { ...answer, kind: 'poll-refused' });
        break;
      case 'failed':
        this.#step(entry, { kind: 'poll-failed', online: this.#ports.isOnline() });
        break;
      default:
        answer satisfies never;
    }
    this.#changed();
  }

  /** One timer for the whole tab, at the earliest moment at which anything is due. */
  #arm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const times: number[] = [];
    for (const { follower } of this.#entries.values()) {
      const at = follower === null ? null : nextTickAt(follower);
      if (at !== null) times.push(at);
    }
    if (this.#role === 'lead') times.push(this.#beatAt);
    if (this.#role === 'listen') times.push(this.#leaderHeardAt + timing.leaderLostMs);
    if (times.length === 0) return;
    const delayMs = Math.max(0, Math.min(...times) - this.#ports.now());
    this.#cancelTimer = this.#ports.setTimer(() => {
      this.#cancelTimer = null;
      this.#onTimer();
    }, delayMs);
  }

  #onTimer(): void {
    const now = this.#ports.now();
    if (this.#role === 'lead' && now >= this.#beatAt) {
      this.#beatAt = now + timing.beatIntervalMs;
      this.#channel?.post({ kind: 'heartbeat' });
    }
    for (const entry of [...this.#entries.values()]) {
      const at = entry.follower === null ? null : nextTickAt(entry.follower);
      if (at !== null && now >= at) this.#step(entry, { kind: 'tick' });
    }
    this.#changed();
  }
}
