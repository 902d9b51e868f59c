/**
 * The parts of the shell that the first page does without. The layout loads them together, once the page has
 * been at rest for a while.
 *
 * @module
 */
export { default as FirstRunCard } from './first-run-card.svelte';
export { ScrollKeeper } from './scroll-keeper.ts';
export { default as ToastRegion } from './toast-region.svelte';
export { warmUp } from './warm-up.ts';
