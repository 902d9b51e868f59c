/**
 * All activations, newest first: pages from the server, over which the tracker's newer numbers are laid.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';
import type {
  ActivationList as ActivationPage,
  ActivationView,
} from '../../../../src/shared/schemas/activation.ts';
import { api, type Refusal } from '../api/client.ts';
import { PagedList } from '../api/paged-list.svelte.ts';
import type { Tracker } from '../sync/tracker.svelte.ts';
import { isInView, matchesActivation, mergeActivations } from './merge-activations.ts';

/** Other people's sessions move too, and the tracker does not follow those. */
const refreshIntervalMs = 5_000;
const pageCount = 50;
/** Long enough for a word to be typed. */
const searchDelayMs = 250;
/** Other people start activations while this list is open. */
const idleRefreshIntervalMs = 20_000;

export class ActivationList {
  readonly #tracker: Tracker;
  readonly #pages: PagedList<Progress, ActivationPage>;
  #search = $state('');
  #view = $state<ActivationView | ''>('');
  #reportsDeliveries = $state(false);
  #searchTimer: ReturnType<typeof setTimeout> | undefined;
  #loadedAt = 0;

  /** @param view - the part that is shown first */
  constructor(tracker: Tracker, view: ActivationView | '' = '') {
    this.#tracker = tracker;
    this.#view = view;
    this.#pages = new PagedList({
      fetchPage: async (cursor, signal) => {
        const answer = await api.activations(
          { search: this.#search.trim(), view: this.#view, cursor, limit: pageCount },
          signal,
        );
        this.#loadedAt = Date.now();
        return answer;
      },
      itemsOf: (page) => page.activations,
      // Numbers never go back, and what a search has found stays known when it is cleared.
      merge: mergeActivations,
    });
  }

  get ready(): boolean {
    return this.#pages.isReady;
  }
  get loading(): boolean {
    return this.#pages.isLoading;
  }
  get refusal(): Refusal | null {
    return this.#pages.refusal;
  }
  get hasMore(): boolean {
    return this.#pages.hasMore;
  }
  get search(): string {
    return this.#search;
  }
  /** Filters what is loaded at once, and asks the server for the rest. */
  set search(text: string) {
    this.#search = text;
    clearTimeout(this.#searchTimer);
    this.#searchTimer = setTimeout(() => void this.#pages.open(), searchDelayMs);
  }

  get view(): ActivationView | '' {
    return this.#view;
  }
  /** What is known of the part is shown at once, and the server is asked for the rest. */
  set view(view: ActivationView | '') {
    if (view === this.#view) return;
    this.#view = view;
    void this.#pages.open();
  }

  /** Whether it is known how many emails of an activation arrived. */
  knowsDeliveries({ email }: Progress): boolean {
    return this.#reportsDeliveries || email.delivered + email.bounced + email.complained > 0;
  }

  readonly #all = $derived.by(() =>
    mergeActivations(
      this.#pages.items,
      this.#tracker.sessions.flatMap((session) => (session.progress === null ? [] : [session.progress])),
    ),
  );

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }
  get shown(): readonly Progress[] {
    const search = this.#search.trim();
    return this.#all.filter(
      (activation) =>
        isInView(activation, this.#view) && (search === '' || matchesActivation(activation, search)),
    );
  }

  /** Loads the first page, and again while anything on it moves. Returns how to stop. */
  connect(): () => void {
    void this.#pages.open();
    void api.settings().then((answer) => {
      if (answer.ok) this.#reportsDeliveries = answer.value.mail.reportsDeliveries;
    });
    const handle = setInterval(() => {
      if (document.visibilityState !== 'visible' || this.#pages.isLoading) return;
      const moving = this.#pages.items.some((activation) => !isTerminal(activation));
      const old = Date.now() - this.#loadedAt >= idleRefreshIntervalMs;
      if (!moving && !old && this.refusal === null) return;
      void (this.ready ? this.#pages.refresh() : this.#pages.open());
    }, refreshIntervalMs);
    return () => {
      clearInterval(handle);
      clearTimeout(this.#searchTimer);
      this.#pages.stop();
    };
  }

  refresh(): Promise<void> {
    return this.#pages.open();
  }

  loadMore(): Promise<void> {
    return this.#pages.more();
  }
}
