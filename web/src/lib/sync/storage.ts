/**
 * The two storages of the browser, which a person or a policy may have switched off.
 *
 * @module
 */
import { keyPrefix } from './stored-key.ts';

/** `localStorage`, or null where even touching it throws. */
export function browserStorage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/** Storage of this tab alone; null where the browser refuses it. */
export function tabStorage(): Storage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

/** Whether this browser has stored a session; a cheap question, asked before the code that reads them is loaded. */
export function hasStoredSession(): boolean {
  try {
    return Object.keys(browserStorage() ?? {}).some((key) => key.startsWith(keyPrefix));
  } catch {
    return false;
  }
}
