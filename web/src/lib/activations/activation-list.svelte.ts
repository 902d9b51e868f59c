/**
 * All runs, newest first: pages of the history, over which the tracker's fresher numbers are laid.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';
import { api, type Refusal } from '../api/client.ts';
import type { Tracker } from '../sync/tracker.svelte.ts';
import { matchesRun, mergeRuns } from './merge-activations.ts';

/** Runs of other people move too; the tracker does not follow those. */
const refreshIntervalMs = 5_000;
const pageCount = 50;
/** Long enough for a word to be typed. */
const searchDelayMs = 250;
/** Others start runs while this list is open. */
const idleRefreshIntervalMs = 20_000;

export class RunList {
  readonly #tracker: Tracker;
  #loaded = $state.raw<readonly Progress[]>([]);
  #nextCursor = $state<string | null>(null);
  #ready = $state(false);
  #loading = $state(false);
  #refusal = $state.raw<Refusal | null>(null);
  #search = $state('');
  #searchTimer: ReturnType<typeof setTimeout> | undefined;
  #loadedAt = 0;
  #request = 0;

  constructor(tracker: Tracker) {
    this.#tracker = tracker;
  }

  get ready(): boolean {
    return this.#ready;
  }
  get loading(): boolean {
    return this.#loading;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get search(): string {
    return this.#search;
  }
  /** Filters what is there at once, and asks the server for what is not. */
  set search(text: string) {
    this.#search = text;
    clearTimeout(this.#searchTimer);
    this.#searchTimer = setTimeout(() => void this.#load(null), searchDelayMs);
  }
  get hasMore(): boolean {
    return this.#nextCursor !== null;
  }

  readonly #runs = $derived.by(() =>
    mergeRuns(
      this.#loaded,
      this.#tracker.sessions.flatMap((session) => (session.progress === null ? [] : [session.progress])),
    ),
  );

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }
  get shown(): readonly Progress[] {
    const search = this.#search.trim();
    return search === '' ? this.#runs : this.#runs.filter((run) => matchesRun(run, search));
  }

  /** Loads the first page, and again while anything on it goes on. Returns how to stop. */
  connect(): () => void {
    void this.refresh();
    const handle = setInterval(() => {
      if (document.visibilityState !== 'visible' || this.#loading) return;
      const moving = this.#loaded.some((run) => !isTerminal(run));
      const old = Date.now() - this.#loadedAt >= idleRefreshIntervalMs;
      if (moving || old || this.#refusal !== null) void this.#load(null, this.#ready);
    }, refreshIntervalMs);
    return () => {
      clearInterval(handle);
      clearTimeout(this.#searchTimer);
    };
  }

  refresh(): Promise<void> {
    return this.#load(null);
  }

  async loadMore(): Promise<void> {
    if (this.#nextCursor !== null && !this.#loading) await this.#load(this.#nextCursor);
  }

  /** @param again - a refresh of the first page must not throw away how far down one has read */
  async #load(cursor: string | null, again = false): Promise<void> {
    const request = ++this.#request;
    this.#loading = true;
    const answer = await api.activations({ search: this.#search.trim(), cursor, limit: pageCount });
    if (request !== this.#request) return;
    this.#loading = false;
    this.#loadedAt = Date.now();
    this.#refusal = answer.ok ? null : answer.refusal;
    if (!answer.ok) return;
    this.#loaded = mergeRuns(this.#loaded, answer.value.activations);
    if (!again) this.#nextCursor = answer.value.nextCursor;
    this.#ready = true;
  }
}
