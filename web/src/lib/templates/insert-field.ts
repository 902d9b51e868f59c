/**
 * Puts a field into a text at the cursor. Pure.
 *
 * @module
 */

/** As a template prints it; a name gets a fallback, because many leads have none. */
export function printField(name: string): string {
  return name === 'firstName' ? '{{ firstName | default: "there" }}' : `{{ ${name} }}`;
}

/** @returns the text, and where the cursor is then */
export function insertAt(
  text: string,
  { start, end }: { start: number; end: number },
  inserted: string,
): { text: string; caret: number } {
  return { text: text.slice(0, start) + inserted + text.slice(end), caret: start + inserted.length };
}
