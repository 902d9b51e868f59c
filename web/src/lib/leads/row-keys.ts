/**
 * Keys of a list: `j` and `k` go from row to row, `x` selects. Enter is the link's own that has the focus. Pure.
 *
 * @module
 */

/** What a key means for the row that has the focus; null where it is none of the list's. */
export function rowKey(press: {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}): 'next' | 'previous' | 'select' | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null;
  switch (press.key) {
    case 'j':
      return 'next';
    case 'k':
      return 'previous';
    case 'x':
      return 'select';
    default:
      return null;
  }
}

/** Where the focus goes: the first row at first, and no further than the last. */
export function nextRow(current: number, step: 1 | -1, count: number): number {
  if (current === -1) return step === 1 ? 0 : count - 1;
  return Math.min(count - 1, Math.max(0, current + step));
}
