/**
 * Scrolls the focused element into view as a whole, for rows of tabs that are wider than a phone.
 *
 * A browser scrolls to the focus only when none of it is seen, and half of a tab is something.
 */
export function seeWhole({ currentTarget }: { currentTarget: EventTarget & HTMLElement }): void {
  currentTarget.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
