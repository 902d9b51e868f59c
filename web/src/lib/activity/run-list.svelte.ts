/**
 * All runs, newest first: pages of the history, over which the tracker's fresher numbers are laid.
 *
 * @module
 */
import { isTerminal, type Progress } from '../../../../src/shared/progress.ts';
import { api, type Refusal } from '../api/client.ts';
import type { Tracker } from '../activation/tracker.svelte.ts';
import { matchesRun, mergeRuns } from './history.ts';

/** Runs of other people move too; the tracker does not follow those. */
const refreshIntervalMs = 5_000;
const pageCount = 50;

export class RunList {
  readonly #tracker: Tracker;
  #loaded = $state.raw<readonly Progress[]>([]);
  #nextCursor = $state<string | null>(null);
  #ready = $state(false);
  #loading = $state(false);
  #refusal = $state.raw<Refusal | null>(null);
  search = $state('');

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
    const search = this.search.trim();
    return search === '' ? this.#runs : this.#runs.filter((run) => matchesRun(run, search));
  }

  /** Loads the first page, and again while anything on it goes on. Returns how to stop. */
  connect(): () => void {
    void this.refresh();
    const handle = setInterval(() => {
      const moving = this.#loaded.some((run) => !isTerminal(run));
      if (document.visibilityState === 'visible' && (moving || this.#refusal !== null)) void this.refresh();
    }, refreshIntervalMs);
    return () => clearInterval(handle);
  }

  async refresh(): Promise<void> {
    const isFirst = !this.#ready;
    await this.#load(null, isFirst);
  }

  async loadMore(): Promise<void> {
    if (this.#nextCursor !== null) await this.#load(this.#nextCursor, true);
  }

  async #load(cursor: string | null, takesCursor: boolean): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    const answer = await api.activations({ cursor, limit: pageCount });
    this.#loading = false;
    this.#refusal = answer.ok ? null : answer.refusal;
    if (!answer.ok) return;
    this.#loaded = mergeRuns(this.#loaded, answer.value.activations);
    // A refresh of the first page must not throw away how far down one has read.
    if (takesCursor) this.#nextCursor = answer.value.nextCursor;
    this.#ready = true;
  }
}
