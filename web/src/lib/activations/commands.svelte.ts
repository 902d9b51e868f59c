/**
 * A person's commands to one activation: sent at once, one at a time. What the server answers is shown everywhere
 * through the tracker; what it refuses is kept for a dialog, or said in a toast.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';
import type { NextWaveRequest } from '../../../../src/shared/schemas/activation.ts';
import { api, type Answer, type Command, type Refusal } from '../api/client.ts';
import { trackerMessages } from '../messages/tracker.ts';
import type { Toasts } from '../shell/toasts.svelte.ts';
import type { Tracker } from '../sync/tracker.svelte.ts';
import { describeRefusal } from '../ui/describe-refusal.ts';

export class ActivationCommands {
  readonly #sessionId: string;
  readonly #tracker: Tracker;
  readonly #toasts: Toasts;
  #busy = $state(false);
  #refusal = $state.raw<Refusal | null>(null);

  constructor(sessionId: string, app: { tracker: Tracker; toasts: Toasts }) {
    this.#sessionId = sessionId;
    this.#tracker = app.tracker;
    this.#toasts = app.toasts;
  }

  get busy(): boolean {
    return this.#busy;
  }
  /** Why the last command of a dialog was refused. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  clear(): void {
    this.#refusal = null;
  }

  /** Sends a command for a dialog, which shows the refusal. @returns true when it was obeyed */
  send(command: Command): Promise<boolean> {
    return this.#ask(() => api.command(this.#sessionId, command));
  }

  /** Goes on from a wave, for a dialog. @returns true when it was obeyed */
  sendNextWave(seen: NextWaveRequest): Promise<boolean> {
    return this.#ask(() => api.nextWave(this.#sessionId, seen));
  }

  async #ask(call: () => Promise<Answer<Progress>>): Promise<boolean> {
    if (this.#busy) return false;
    this.#busy = true;
    this.#refusal = null;
    const answer = await call();
    this.#busy = false;
    if (!answer.ok) {
      this.#refusal = answer.refusal;
      return false;
    }
    // What a person set going is worth following on every page, and live.
    if (isTerminal(answer.value)) this.#tracker.offer(answer.value);
    else this.#tracker.begin(answer.value);
    return true;
  }

  /** Sends a command without a dialog. */
  async run(command: Command, name: string): Promise<void> {
    if (!(await this.send(command))) this.#sayRefused(name);
  }

  /** Goes on from a wave that is held, without a dialog. */
  async goOn(seen: NextWaveRequest, name: string): Promise<void> {
    if (!(await this.sendNextWave(seen))) this.#sayRefused(name);
  }

  #sayRefused(name: string): void {
    const { refusal } = this;
    if (refusal !== null) this.#say(trackerMessages.commandFailed(name), refusal);
  }

  /** Takes a start back, before anything was sent. */
  async undo(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const answer = await api.undoStart(this.#sessionId);
    this.#busy = false;
    if (answer.ok) this.#tracker.offer(answer.value);
    else this.#say(trackerMessages.undoFailed, answer.refusal);
  }

  #say(title: string, refusal: Refusal): void {
    const words = describeRefusal(refusal);
    this.#toasts.show({ tone: 'bad', title, text: words.lines[0] ?? words.title, link: null });
  }
}
