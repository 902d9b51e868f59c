/**
 * Shrinks a failing world: leaves out faults and commands as long as the same promise is broken.
 *
 * @module
 */
import type { InjectedFault } from './faults.ts';
import { World, type WorldOptions, type WorldResult } from './world.ts';

/** How many worlds a shrink may run. */
const maxRunCount = 300;

/** The smallest list of faults found that still breaks the promise, and the numbers of those that are left out. */
export interface Shrunk {
  result: WorldResult;
  leftOut: ReadonlySet<number>;
  needed: readonly InjectedFault[];
}

export function shrink(options: WorldOptions, first: WorldResult): Shrunk {
  let best: Shrunk = { result: first, leftOut: new Set(options.leftOut), needed: first.injected };
  let runCount = 0;
  for (let size = Math.ceil(first.injected.length / 2); size >= 1 && runCount < maxRunCount;) {
    let isSmaller = false;
    for (let at = 0; at < best.needed.length && runCount < maxRunCount; at += size) {
      const leftOut = new Set([
        ...best.leftOut,
        ...best.needed.slice(at, at + size).map(({ number }) => number),
      ]);
      const { seed, forgetsKeys = false } = options;
      const result = new World({ seed, forgetsKeys, leftOut }).run();
      runCount++;
      const isSame = result.violation?.invariant === first.violation?.invariant;
      if (!isSame || result.injected.length >= best.needed.length) continue;
      best = { result, leftOut, needed: result.injected };
      isSmaller = true;
      at -= size;
    }
    if (!isSmaller || size > best.needed.length)
      size = size === 1 ? 0 : Math.ceil(Math.min(size, best.needed.length) / 2);
  }
  return best;
}
