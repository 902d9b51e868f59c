/**
 * What the command palette offers for a query: which entries fit, and in which order. Pure.
 *
 * @module
 */

export interface PaletteItem {
  id: string;
  group: 'pages' | 'actions' | 'activations' | 'leads';
  label: string;
  /** Beside the label, fainter. */
  hint: string;
  /** Other words that a person may look for it by. */
  keywords: string;
  run: () => void;
}

/** More do not fit on the screen, and who needs more types another letter. */
const maxPerGroup = 7;

const wordsOf = (text: string): string[] =>
  text
    .normalize('NFD')
    .replace(/\p{Diacritic}/gu, '')
    .toLowerCase()
    .split(/[^\p{L}\p{N}@.]+/u)
    .filter((word) => word !== '');

/** 2 where the label begins with the query, 1 where each of its words begins one of the item's, else 0. */
function fit(item: PaletteItem, queryWords: readonly string[]): 0 | 1 | 2 {
  const label = wordsOf(item.label);
  if (label.join(' ').startsWith(queryWords.join(' '))) return 2;
  const own = [...label, ...wordsOf(item.hint), ...wordsOf(item.keywords)];
  return queryWords.every((part) => own.some((word) => word.startsWith(part))) ? 1 : 0;
}

/**
 * The items that fit, best first and by group in the order in which they came.
 *
 * Leads were found by the server, which knows more of them than their names; they are not filtered again.
 */
export function paletteItemsFor(items: readonly PaletteItem[], query: string): PaletteItem[] {
  const queryWords = wordsOf(query);
  const groups = new Map<PaletteItem['group'], { item: PaletteItem; rank: number }[]>();
  for (const item of items) {
    const rank = queryWords.length === 0 || item.group === 'leads' ? 1 : fit(item, queryWords);
    if (rank > 0) groups.set(item.group, [...(groups.get(item.group) ?? []), { item, rank }]);
  }
  return [...groups.values()].flatMap((found) =>
    found
      .toSorted((one, other) => other.rank - one.rank)
      .slice(0, maxPerGroup)
      .map(({ item }) => item),
  );
}
