/**
 * Whether a key belongs to what has the focus, and not to the app.
 *
 * @module
 */

/** Whether keys go into a field there, or to a dialog that is open. */
export function isTaken(target: EventTarget | null): boolean {
  return (
    document.querySelector('[role="dialog"], [role="alertdialog"], :popover-open') !== null ||
    (target instanceof Element &&
      target.closest('input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable]') !==
        null)
  );
}
