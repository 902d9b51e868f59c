/**
 * One activation on its own page: its numbers (by the tracker's manager, whoever started it), its issues, its results
 * by lead, and the commands of a person.
 *
 * @module
 */
import {
  emailPendingCount,
  isTerminal,
  remainingCount,
  type Issue,
  type Progress,
} from '../../../../../src/shared/progress.ts';
import type { Timeline } from '../../../../../src/shared/timeline.ts';
import type { Tracker } from '../../sync/tracker.svelte.ts';
import { api, type Command, type Refusal } from '../../api/client.ts';
import { Results } from './results.svelte.ts';

/** How often issues and results are read again while the session goes on. */
const refreshIntervalMs = 5_000;

/** How many leads a command would touch. */
export function touchedCount(progress: Progress, command: Command): number {
  switch (command) {
    case 'pause':
    case 'resume':
      return remainingCount(progress) + emailPendingCount(progress);
    case 'cancel':
      return remainingCount(progress);
    case 'retryFailed':
      return progress.email.failed;
    case 'check':
      // A paused one may hold mail in doubt among that which waits.
      return progress.email.unknown + (progress.state === 'paused' ? emailPendingCount(progress) : 0);
    case 'retryUnknown':
    case 'assumeSent':
      return progress.email.unknown;
    default:
      return command satisfies never;
  }
}

export class ActivationPage {
  readonly sessionId: string;
  readonly results: Results;
  readonly #tracker: Tracker;
  readonly #readsLeads: () => boolean;
  #loadRefusal = $state.raw<Refusal | null>(null);
  #fetchedIssues = $state.raw<{ rev: number; issues: readonly Issue[] } | null>(null);
  #issuesRefusal = $state.raw<Refusal | null>(null);
  #timeline = $state.raw<Timeline | null>(null);
  #timelineRefusal = $state.raw<Refusal | null>(null);
  #asked = $state<Command | null>(null);
  #isErasing = $state(false);
  #busy = $state(false);
  #commandRefusal = $state.raw<Refusal | null>(null);
  #refreshedRev = -1;

  /** @param readsLeads - whether this person may see who was mailed; asked each time, as it may be learned late */
  constructor(sessionId: string, tracker: Tracker, readsLeads: () => boolean) {
    this.sessionId = sessionId;
    this.results = new Results(sessionId);
    this.#tracker = tracker;
    this.#readsLeads = readsLeads;
  }

  get progress(): Progress | null {
    return this.#tracker.view(this.sessionId)?.progress ?? null;
  }
  get link() {
    return this.#tracker.view(this.sessionId)?.link ?? 'connecting';
  }
  /** Why there is nothing to show. */
  get loadRefusal(): Refusal | null {
    return this.progress === null ? this.#loadRefusal : null;
  }
  get isMissing(): boolean {
    return this.loadRefusal?.kind === 'problem' && this.loadRefusal.problem.status === 404;
  }
  get issues(): readonly Issue[] | null {
    return this.#fetchedIssues?.issues ?? null;
  }
  get issuesRefusal(): Refusal | null {
    return this.#issuesRefusal;
  }
  get timeline(): Timeline | null {
    return this.#timeline;
  }
  get timelineRefusal(): Refusal | null {
    return this.#timelineRefusal;
  }
  /** The command that waits for its confirmation. */
  get asked(): Command | null {
    return this.#asked;
  }
  /** Its erasure waits for confirmation. */
  get isErasing(): boolean {
    return this.#isErasing;
  }
  get busy(): boolean {
    return this.#busy;
  }
  get commandRefusal(): Refusal | null {
    return this.#commandRefusal;
  }

  /** Follows the session while its page is open. Returns how to stop. */
  connect(): () => void {
    const stop = this.#tracker.observe(this.sessionId);
    void this.load();
    const handle = setInterval(() => {
      if (document.visibilityState === 'visible') void this.#refreshDetails();
    }, refreshIntervalMs);
    return () => {
      clearInterval(handle);
      stop();
    };
  }

  /** Asks once even after the end: webhooks still arrive. */
  async load(): Promise<void> {
    const answer = await api.progress(this.sessionId);
    this.#loadRefusal = answer.ok ? null : answer.refusal;
    if (!answer.ok) return;
    this.#tracker.offer(answer.value);
    await this.#refreshDetails();
  }

  /** The session changed its state: reads issues, log and leads at once. */
  turned(): void {
    if (this.#refreshedRev >= 0) void this.#refreshDetails();
  }

  async #refreshDetails(): Promise<void> {
    const rev = this.progress?.rev ?? -1;
    if (rev === this.#refreshedRev) return;
    const [issues, timeline] = await Promise.all([
      api.issues(this.sessionId),
      api.timeline(this.sessionId),
      // A page that somebody reads stays still; the first one fills as leads are decided.
      this.#readsLeads() && (this.results.isFirst || this.results.page === null)
        ? this.results.load()
        : undefined,
    ]);
    this.#timelineRefusal = timeline.ok ? null : timeline.refusal;
    if (timeline.ok) this.#timeline = timeline.value;
    this.#issuesRefusal = issues.ok ? null : issues.refusal;
    if (!issues.ok) return;
    this.#fetchedIssues = issues.value;
    this.#refreshedRev = rev;
  }

  ask(command: Command): void {
    this.#commandRefusal = null;
    this.#asked = command;
  }
  askErase(): void {
    this.#commandRefusal = null;
    this.#isErasing = true;
  }
  dismiss(): void {
    this.#asked = null;
    this.#isErasing = false;
  }

  /** @returns true when it is erased */
  async erase(): Promise<boolean> {
    if (this.#busy) return false;
    this.#busy = true;
    const answer = await api.eraseActivation(this.sessionId);
    this.#busy = false;
    if (!answer.ok) {
      this.#commandRefusal = answer.refusal;
      return false;
    }
    this.#isErasing = false;
    // Nobody asks for it any more, in this tab or another.
    this.#tracker.dismiss(this.sessionId);
    return true;
  }

  async confirm(): Promise<void> {
    const command = this.#asked;
    if (command === null || this.#busy) return;
    this.#busy = true;
    const answer = await api.command(this.sessionId, command);
    this.#busy = false;
    if (!answer.ok) {
      this.#commandRefusal = answer.refusal;
      return;
    }
    this.#asked = null;
    // What a person set going here is worth following on every page, and live.
    if (isTerminal(answer.value)) this.#tracker.offer(answer.value);
    else this.#tracker.begin(answer.value);
    await this.#refreshDetails();
  }
}
