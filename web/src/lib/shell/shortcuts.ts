/**
 * The keys of the whole app: which keys mean which command. Pure; the layout listens and carries out.
 *
 * Keys of one page (`j`, `k`, `x` of a list) belong to that page. Invariant: no key has a meaning while a
 * person types or while a dialog is open.
 *
 * @module
 */
import type { pages } from './pages.ts';

export type ShellCommand =
  | { kind: 'palette' }
  | { kind: 'search' }
  | { kind: 'keys' }
  | { kind: 'go'; href: (typeof pages)[number]['href'] };

/** What of a keyboard event is looked at. */
export interface Press {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** The second key after `g`. */
export const goKeys = {
  l: '/leads',
  a: '/activations',
  i: '/imports',
  t: '/templates',
  s: '/suppressions',
} as const satisfies Record<string, (typeof pages)[number]['href']>;

/** For so long `g` waits for its second key. */
const maxPauseMs = 1_500;

export class Shortcuts {
  /** When `g` was pressed. */
  #goAt = Number.NEGATIVE_INFINITY;

  /** The command that this press completes; null where it means nothing, or is the first of two keys. */
  read({ key, ctrlKey, metaKey, altKey }: Press, nowMs: number): ShellCommand | null {
    const isAfterGo = nowMs - this.#goAt < maxPauseMs;
    this.#goAt = Number.NEGATIVE_INFINITY;
    if (altKey) return null;
    if (ctrlKey || metaKey) return key.toLowerCase() === 'k' ? { kind: 'palette' } : null;
    if (isAfterGo && isGoKey(key)) return { kind: 'go', href: goKeys[key] };
    if (key === 'g') this.#goAt = nowMs;
    if (key === '/') return { kind: 'search' };
    return key === '?' ? { kind: 'keys' } : null;
  }
}

const isGoKey = (key: string): key is keyof typeof goKeys => Object.hasOwn(goKeys, key);
