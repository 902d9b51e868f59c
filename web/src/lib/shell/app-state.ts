/**
 * What all screens of one page load share. Svelte's context hands it down; there is no module-global state.
 * The flow of an import has a context of its own (`imports/import-context.ts`), so that the shell needs no screen.
 *
 * @module
 */
import { createContext } from 'svelte';
import type { Tracker } from '../sync/tracker.svelte.ts';
import type { Access } from './access.svelte.ts';
import type { Clock } from './clock.svelte.ts';
import type { FirstRun } from './first-run.svelte.ts';
import type { Notifier } from './notifier.svelte.ts';
import type { Theme } from './theme.svelte.ts';
import type { Toasts } from './toasts.svelte.ts';

export interface AppState {
  tracker: Tracker;
  access: Access;
  toasts: Toasts;
  theme: Theme;
  clock: Clock;
  notifier: Notifier;
  /** One for all places that show it; null until the first of them asks ({@link FirstRun.of}). */
  firstRun: { shared: FirstRun | null };
}

export const [getApp, setApp] = createContext<AppState>();
