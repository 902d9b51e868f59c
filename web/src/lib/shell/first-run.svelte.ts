/**
 * The first steps as screens show them: the card at the side, the page, and the way from `/`.
 *
 * @module
 */
import type { Ability } from '../../../../src/shared/roles.ts';
import {
  dismissFirstRun,
  hasActivations,
  isFirstRunDismissed,
  readFirstRun,
  stepsFor,
  type FirstRunFacts,
  type FirstRunStep,
} from './first-run.ts';

export class FirstRun {
  readonly #may: (ability: Ability) => boolean;
  #facts = $state.raw<FirstRunFacts | null>(null);
  #isDismissed = $state(isFirstRunDismissed());

  constructor(may: (ability: Ability) => boolean) {
    this.#may = may;
  }

  /** Null until the product has answered. */
  get facts(): FirstRunFacts | null {
    return this.#facts;
  }
  get steps(): readonly FirstRunStep[] {
    return this.#facts === null ? [] : stepsFor(this.#facts, this.#may);
  }
  get doneCount(): number {
    return this.steps.filter(({ isDone }) => isDone).length;
  }
  /** The navigation offers the list: somebody who can begin has not yet, and did not put the list away. */
  get isOffered(): boolean {
    return !this.#isDismissed && this.#may('activate') && this.#facts?.isActivated === false;
  }

  /** It is known whether the list is offered. */
  get isSettled(): boolean {
    return this.#isDismissed || this.#facts !== null || !this.#may('activate');
  }

  /** Reads the steps where they can still matter: nothing was activated, and the list was not put away. */
  async offer(): Promise<void> {
    if (this.isSettled) return;
    // A product in use is asked one thing, once.
    if ((await hasActivations()) === false) await this.load();
    else this.dismiss();
  }

  /** Asks the product what is done. */
  async load(): Promise<void> {
    this.#facts = await readFirstRun(this.#may);
  }

  dismiss(): void {
    dismissFirstRun();
    this.#isDismissed = true;
  }
}
