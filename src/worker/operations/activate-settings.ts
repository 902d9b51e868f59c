/**
 * The settings of the send button: what a start asks for, and for how long it can be undone.
 *
 * @module
 */

/** More would look like a run that hangs. */
const maxUndoSeconds = 600;

/** `ACTIVATE_CONFIRM_ABOVE`: above so many leads a person types the count. Unreadable: 1,000. */
export function confirmAbove(env: Pick<Env, 'ACTIVATE_CONFIRM_ABOVE'>): number {
  return wholeNumber(env.ACTIVATE_CONFIRM_ABOVE) ?? 1_000;
}

/** `ACTIVATE_UNDO_SECONDS` in milliseconds; 0: a start begins at once. Unreadable: 10 seconds. */
export function undoMs(env: Pick<Env, 'ACTIVATE_UNDO_SECONDS'>): number {
  return Math.min(wholeNumber(env.ACTIVATE_UNDO_SECONDS) ?? 10, maxUndoSeconds) * 1_000;
}

function wholeNumber(text: string): number | null {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : null;
}
