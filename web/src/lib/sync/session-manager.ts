/**
 * All sessions of one tab: connects the store, the followers and the other tabs, and performs the effects
 * that the followers decide. The browser is behind {@link BrowserPorts}, so that the manager runs under a
 * fake clock. The lock and the channel between tabs are in `tab-group.ts`.
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
import { isResting } from './progress-view.ts';
import type { BrowserPorts } from './ports.ts';
import type { TrackedSession, TrackedSessionStore } from './store.ts';
import { TabGroup, type SessionMessage } from './tab-group.ts';
import type { Role } from './tab-leader.ts';
import { timing } from './timing.ts';
import type { Link } from './wire.ts';

/** One session as the screens see it. */
export interface SessionView {
  sessionId: string;
  /** Null until the first answer; screens show a skeleton, never zeros. */
  progress: Progress | null;
  link: Link;
  issues: Issue[];
  /** Shown in the tracker; false for a session that is only looked at. */
  tracked: boolean;
}

interface Entry {
  view: SessionView;
  issuesRev: number;
  /** This tab's start request is on its way: the server need not be asked yet. */
  held: boolean;
  pendingUntil: number;
  /** The server does not know the session, so it is not asked again. */
  missing: boolean;
  follower: FollowerState | null;
  closeStream: (() => void) | null;
  abort: AbortController | null;
  observerCount: number;
}

export class SessionManager {
  readonly #ports: BrowserPorts;
  readonly #store: TrackedSessionStore;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  /** Sessions that a person started or resumed while this page was open, here or in another tab. */
  readonly #live = new Set<string>();
  readonly #tabs: TabGroup;
  #cancelTimer: (() => void) | null = null;
  #running = false;

  constructor(ports: BrowserPorts, store: TrackedSessionStore, onChange: () => void) {
    this.#ports = ports;
    this.#store = store;
    this.#onChange = onChange;
    this.#tabs = new TabGroup(ports, {
      message: (message) => this.#onMessage(message),
      asked: () => this.#tellAll(),
      changed: () => this.#changed(),
    });
  }

  get role(): Role {
    return this.#tabs.role;
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
    this.#tabs.start();
    for (const session of this.#store.list()) this.#adopt(session);
    this.#tabs.post({ kind: 'hello' });
    this.#changed();
  }

  /** Stops every timer, stream and request. Nothing is lost: the store and the server hold all of it. */
  stop(): void {
    this.#running = false;
    for (const entry of this.#entries.values()) this.#stopFollower(entry);
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#tabs.stop();
  }

  /** Stores the id before its start request leaves. */
  expect(sessionId: string): void {
    this.#store.add(sessionId, this.#ports.now());
    const entry = this.#entry(sessionId, true);
    entry.held = true;
    this.#changed();
  }

  /** The start request got no answer and is not repeated: from now on the server is asked for the session. */
  release(sessionId: string): void {
    const entry = this.#entries.get(sessionId);
    if (entry === undefined) return;
    entry.held = false;
    entry.pendingUntil = this.#ports.now() + timing.pendingGraceMs;
    this.#changed();
  }

  /** A session that a person here started, resumed or retried: tracked, and worth a stream. One that waits for its time or for an approval is neither. */
  begin(progress: Progress): void {
    const { sessionId } = progress;
    if (isResting(progress)) {
      this.#take(progress, true);
      this.#forget(sessionId, true);
      this.#changed();
      return;
    }
    if (this.#store.get(sessionId) === null) this.#store.add(sessionId, this.#ports.now());
    const entry = this.#entry(sessionId, true);
    entry.held = false;
    entry.missing = false;
    this.#live.add(sessionId);
    this.#take(progress, true);
    this.#tabs.post({ kind: 'track', sessionId, live: true });
    if (entry.follower !== null) this.#step(entry, { kind: 'live' });
    this.#changed();
  }

  /** An open session that this person started elsewhere: tracked from now on, without a stream for its sake. */
  follow(progress: Progress): void {
    const { sessionId } = progress;
    if (isResting(progress)) return;
    if (this.#store.get(sessionId) === null) {
      this.#store.add(sessionId, this.#ports.now());
      this.#tabs.post({ kind: 'track', sessionId, live: false });
    }
    this.#entry(sessionId, true);
    this.#take(progress, true);
    this.#changed();
  }

  /** Takes progress that came as the answer to another request, such as a pause. */
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
      this.#tabs.shown();
      for (const session of this.#store.list()) this.#adopt(session);
      this.#tabs.post({ kind: 'hello' });
    }
    this.#changed();
  }

  /** The browser says that it is on- or offline. That is only a hint, so the server is asked at once. */
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

  /**
   * All progress passes here.
   *
   * @param first - it comes from the server, and goes on to the store and the other tabs
   */
  #take(progress: Progress, first: boolean): void {
    const entry = this.#entries.get(progress.sessionId);
    if (entry === undefined) return;
    const newest = reduceProgress(entry.view.progress, progress);
    if (newest !== entry.view.progress) entry.view = { ...entry.view, progress: newest };
    if (first && newest === progress && entry.view.tracked) {
      this.#store.remember(progress);
      this.#tabs.post({ kind: 'progress', progress });
      // It may wait for weeks: until it begins, nobody asks for it but who looks at it.
      if (isResting(newest)) this.#forget(progress.sessionId, true);
    }
  }

  #forget(sessionId: string, tellOthers: boolean): void {
    const entry = this.#entries.get(sessionId);
    this.#store.remove(sessionId);
    this.#live.delete(sessionId);
    if (tellOthers) this.#tabs.post({ kind: 'gone', sessionId });
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

  #onMessage(message: SessionMessage): void {
    switch (message.kind) {
      case 'track': {
        const entry = this.#entry(message.sessionId, true);
        if (message.live) this.#live.add(message.sessionId);
        // Storage may not be shared between the tabs; then only this message brings the session here.
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
        if (entry !== undefined && this.#tabs.role === 'listen')
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
    this.#tabs.post({ kind: 'heartbeat' });
    for (const { view, issuesRev } of this.#entries.values()) {
      if (!view.tracked || view.progress === null) continue;
      this.#tabs.post({ kind: 'progress', progress: view.progress });
      this.#tabs.post({ kind: 'link', sessionId: view.sessionId, link: view.link });
      if (issuesRev >= 0) {
        this.#tabs.post({
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
    const liveCount = [...this.#entries.values()].filter(
      (entry) => entry.view.tracked && this.#isLive(entry),
    ).length;
    if (!this.#tabs.settle(liveCount)) return;
    this.#tellAll();
    // Until now this tab may have followed for itself, without a stream.
    for (const entry of this.#entries.values()) {
      if (this.#live.has(entry.view.sessionId)) this.#step(entry, { kind: 'live' });
    }
  }

  /** A tracked session is followed by the tab that leads or is alone, a looked-at one wherever it is seen. */
  #settleFollower(entry: Entry): void {
    const here = entry.view.tracked
      ? this.#tabs.role === 'lead' || this.#tabs.role === 'alone'
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
      // One stream per browser: over HTTP/1.1 a browser opens six connections to a host, and more tabs than
      // that would leave none for requests.
      wantsStream: this.#tabs.role === 'lead' && this.#live.has(sessionId) && this.#ports.openStream !== null,
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
        this.#tabs.post({ kind: 'link', sessionId: entry.view.sessionId, link: step.state.link });
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
        // Its progress is already taken; `#settleFollower` drops the follower.
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
          this.#tabs.post({ kind: 'issues', sessionId: entry.view.sessionId, rev, issues });
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
    // The follower was stopped meanwhile; a new one asks again.
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
    if (this.#tabs.nextTickAt !== null) times.push(this.#tabs.nextTickAt);
    if (times.length === 0) return;
    const delayMs = Math.max(0, Math.min(...times) - this.#ports.now());
    this.#cancelTimer = this.#ports.setTimer(() => {
      this.#cancelTimer = null;
      this.#onTimer();
    }, delayMs);
  }

  #onTimer(): void {
    const now = this.#ports.now();
    this.#tabs.tick();
    for (const entry of [...this.#entries.values()]) {
      const at = entry.follower === null ? null : nextTickAt(entry.follower);
      if (at !== null && now >= at) this.#step(entry, { kind: 'tick' });
    }
    this.#changed();
  }
}
