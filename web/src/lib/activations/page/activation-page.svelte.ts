/**
 * One activation on its own page: its numbers (by the tracker's manager, whoever started it), its issues, its results
 * by lead, and the commands of a person.
 *
 * @module
 */
import {
  emailPendingCount,
  isTerminal,
  type Issue,
  type Progress,
} from '../../../../../src/shared/progress.ts';
import type { NextWaveRequest } from '../../../../../src/shared/schemas/activation.ts';
import type { Timeline } from '../../../../../src/shared/timeline.ts';
import type { Toasts } from '../../shell/toasts.svelte.ts';
import { isResting } from '../../sync/progress-view.ts';
import type { Tracker } from '../../sync/tracker.svelte.ts';
import { api, type Command, type Refusal } from '../../api/client.ts';
import { ActivationCommands } from '../commands.svelte.ts';
import { nextWaveSize, presentWave, seenWave } from '../wave.ts';
import { Results } from './results.svelte.ts';

/** How often issues and results are read again while the session goes on. */
const refreshIntervalMs = 5_000;

/** How often a session whose leads are made new again is asked how far that is. */
const takeBackIntervalMs = 2_000;

/** Commands that are asked about first; the others happen at once. */
export type AskedCommand = Exclude<Command, 'startNow' | 'pause' | 'resume' | 'cancel'> | 'nextWave';

export type PageDialog = 'cancel' | 'erase' | 'receipt' | 'takeBack' | 'times';

/** How many emails a command would touch; leads, of the next wave. */
export function touchedCount(progress: Progress, command: AskedCommand): number {
  switch (command) {
    case 'retryFailed':
      return progress.email.failed;
    case 'check':
      // A paused one may hold mail in doubt among that which waits.
      return progress.email.unknown + (progress.state === 'paused' ? emailPendingCount(progress) : 0);
    case 'retryUnknown':
    case 'assumeSent':
      return progress.email.unknown;
    case 'nextWave':
      return nextWaveSize(progress, presentWave(progress)?.number ?? 0) ?? 0;
    default:
      return command satisfies never;
  }
}

export class ActivationPage {
  readonly sessionId: string;
  readonly results: Results;
  readonly commands: ActivationCommands;
  readonly #tracker: Tracker;
  readonly #readsLeads: () => boolean;
  #loadRefusal = $state.raw<Refusal | null>(null);
  #fetchedIssues = $state.raw<{ rev: number; issues: readonly Issue[] } | null>(null);
  #issuesRefusal = $state.raw<Refusal | null>(null);
  #timeline = $state.raw<Timeline | null>(null);
  #timelineRefusal = $state.raw<Refusal | null>(null);
  #asked = $state<AskedCommand | null>(null);
  /** The wave that was watched when the command was asked about. */
  #askedWave: NextWaveRequest | null = null;
  #dialog = $state<PageDialog | null>(null);
  #isErasing = $state(false);
  #eraseRefusal = $state.raw<Refusal | null>(null);
  /** Null until it is known. */
  #reportsDeliveries = $state<boolean | null>(null);
  #me = $state<string | null>(null);
  /** Days after its end for which it can be taken back; 0 until that is known. */
  #takeBackDays = $state(0);
  #refreshedRev = -1;

  /** @param readsLeads - whether this person may see who was emailed; asked each time, as it may be learned late */
  constructor(sessionId: string, app: { tracker: Tracker; toasts: Toasts }, readsLeads: () => boolean) {
    this.sessionId = sessionId;
    this.results = new Results(sessionId);
    this.commands = new ActivationCommands(sessionId, app);
    this.#tracker = app.tracker;
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
  get asked(): AskedCommand | null {
    return this.#asked;
  }
  get dialog(): PageDialog | null {
    return this.#dialog;
  }
  get busy(): boolean {
    return this.commands.busy || this.#isErasing;
  }
  get eraseRefusal(): Refusal | null {
    return this.#eraseRefusal;
  }
  /** Whether it is known how many emails arrived: the provider tells, or it told of some. */
  get knowsDeliveries(): boolean {
    const email = this.progress?.email;
    const told = email === undefined ? 0 : email.delivered + email.bounced + email.complained;
    return told > 0 || this.#reportsDeliveries === true;
  }

  /** Address of who is signed in; null until it is known. */
  get me(): string | null {
    return this.#me;
  }

  /** Follows the session while its page is open. Returns how to stop. */
  connect(): () => void {
    const stop = this.#tracker.observe(this.sessionId);
    void this.load();
    void api.settings().then((answer) => {
      if (!answer.ok) return;
      this.#reportsDeliveries = answer.value.mail.reportsDeliveries;
      this.#me = answer.value.user.email;
      this.#takeBackDays = answer.value.activate.takeBackDays;
    });
    const handle = setInterval(() => {
      if (document.visibilityState === 'visible') void this.#refreshDetails();
    }, refreshIntervalMs);
    const afterEnd = setInterval(() => {
      if (document.visibilityState === 'visible') void this.#followTakeBack();
    }, takeBackIntervalMs);
    return () => {
      clearInterval(handle);
      clearInterval(afterEnd);
      stop();
    };
  }

  /** Asks once even after the end: webhooks still arrive. */
  async load(): Promise<void> {
    // What the tracker is offered before it is loaded is not to be seen at once.
    const [answer] = await Promise.all([api.progress(this.sessionId), this.#tracker.load()]);
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
        ? this.results.reread()
        : undefined,
    ]);
    this.#timelineRefusal = timeline.ok ? null : timeline.refusal;
    if (timeline.ok) this.#timeline = timeline.value;
    this.#issuesRefusal = issues.ok ? null : issues.refusal;
    if (!issues.ok) return;
    this.#fetchedIssues = issues.value;
    this.#refreshedRev = rev;
  }

  /** The tracker follows a session to its end only; leads that are made new again afterwards are asked for here. */
  async #followTakeBack(): Promise<void> {
    if (this.progress?.takeBack?.endedAt !== null) return;
    const answer = await api.progress(this.sessionId);
    if (!answer.ok) return;
    this.#tracker.offer(answer.value);
    if (answer.value.takeBack?.endedAt !== null) void this.#refreshDetails();
  }

  ask(command: AskedCommand): void {
    this.commands.clear();
    this.#asked = command;
    this.#askedWave = this.progress === null ? null : seenWave(this.progress);
  }
  open(dialog: PageDialog): void {
    this.commands.clear();
    this.#eraseRefusal = null;
    this.#dialog = dialog;
  }
  dismiss(): void {
    this.#asked = null;
    this.#dialog = null;
  }

  /** Whether its leads can still be made new again. */
  mayTakeBack(nowMs: number): boolean {
    const { progress } = this;
    if (progress === null || progress.finishedAt === null || progress.takeBack?.endedAt === null)
      return false;
    const { sent, failed, unknown } = progress.email;
    return (
      sent + failed + unknown > 0 && nowMs <= progress.finishedAt + this.#takeBackDays * 24 * 60 * 60 * 1_000
    );
  }

  /** A dialog has changed it: shows that at once. */
  changed(progress: Progress): void {
    this.#dialog = null;
    this.#tracker.offer(progress);
    void this.#refreshDetails();
  }

  /** A person has decided about it: shows that at once. */
  decided(progress: Progress): void {
    if (isTerminal(progress) || isResting(progress)) this.#tracker.offer(progress);
    else this.#tracker.begin(progress);
    void this.#refreshDetails();
  }

  /** @returns true when it is erased */
  async erase(): Promise<boolean> {
    if (this.busy) return false;
    this.#isErasing = true;
    const answer = await api.eraseActivation(this.sessionId);
    this.#isErasing = false;
    if (!answer.ok) {
      this.#eraseRefusal = answer.refusal;
      return false;
    }
    this.#dialog = null;
    // Nobody asks for it any more, in this tab or another.
    this.#tracker.dismiss(this.sessionId);
    return true;
  }

  async confirm(): Promise<void> {
    const command = this.#asked;
    if (command === null) return;
    const isDone =
      command !== 'nextWave'
        ? await this.commands.send(command)
        : this.#askedWave !== null && (await this.commands.sendNextWave(this.#askedWave));
    if (!isDone) return;
    this.#asked = null;
    await this.#refreshDetails();
  }
}
