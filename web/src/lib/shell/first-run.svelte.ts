/**
 * The first steps as screens show them: the card at the side, the page, and the way from `/`.
 *
 * Invariant: a page load has one, so that *Hide this list* acts at once wherever it is shown.
 *
 * @module
 */
import type { Ability } from '../../../../src/shared/roles.ts';
import type { Access } from './access.svelte.ts';
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

  /** The product did not say whether it is in use: nothing is offered, and the next page load asks again. */
  #isUnanswered = $state(false);

  /** The one of this page load. */
  static of({ access, firstRun }: { access: Access; firstRun: { shared: FirstRun | null } }): FirstRun {
    return (firstRun.shared ??= new FirstRun((ability) => access.can(ability)));
  }

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
    return this.#isDismissed || this.#isUnanswered || this.#facts !== null || !this.#may('activate');
  }

  /** Reads the steps where they can still matter: nothing was activated, and the list was not put away. */
  async offer(): Promise<void> {
    if (this.isSettled) return;
    // A product in use is asked one thing, once.
    const isInUse = await hasActivations();
    if (isInUse === null) this.#isUnanswered = true;
    else if (isInUse) this.dismiss();
    else await this.load();
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
