/**
 * What all screens of one page load share, handed down by context: never a module-global.
 *
 * @module
 */
import { createContext } from 'svelte';
import type { Tracker } from '../activations/tracker.svelte.ts';
import type { ImportFlow } from '../imports/import-flow.svelte.ts';
import type { Access } from './access.svelte.ts';
import type { Clock } from './clock.svelte.ts';
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
  imports: ImportFlow;
}

export const [getApp, setApp] = createContext<AppState>();
