/**
 * Runs what the first page can do without, once it has been at rest for a while.
 *
 * @module
 */

/** Long enough for the first page's own requests to be over, on a slow line too. */
const restMs = 2_500;

/** Runs each step after {@link restMs}, one per idle moment of the browser. Returns how to call it off. */
export function atRest(steps: readonly (() => unknown)[]): () => void {
  let isOff = false;
  function next(index: number): void {
    const step = steps[index];
    if (isOff || step === undefined) return;
    step();
    soon(() => next(index + 1));
  }
  // Safari has no idle callback.
  const soon = (run: () => void): void => {
    if ('requestIdleCallback' in window) requestIdleCallback(run, { timeout: 2_000 });
    else setTimeout(run, 100);
  };
  const handle = setTimeout(() => soon(() => next(0)), restMs);
  return () => {
    isOff = true;
    clearTimeout(handle);
  };
}
