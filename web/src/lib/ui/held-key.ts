/**
 * Keys that are held down.
 *
 * @module
 */

/**
 * For buttons whose next press takes back what the last one did: a key that is held down is one press. A browser makes
 * a click of each repeat of Enter.
 */
export function onceForHeldKey(event: KeyboardEvent): void {
  if (event.repeat && (event.key === 'Enter' || event.key === ' ')) event.preventDefault();
}
