/**
 * What a person types into a search, as the indexes of leads are asked for it.
 *
 * Pure. Keeps true: any text is data, never a command of FTS5; each word is one token of the index, so that
 * none is taken for a phrase, which an index without positions refuses.
 *
 * @module
 */

/**
 * The words of a search as the full-text index has them. It splits text at every character but these, by
 * its `categories` (migrations); only so is each word one token, since an index without positions
 * (`detail=none`) refuses a phrase. Marks alone are no word.
 */
const wordBreaks = /[^\p{L}\p{M}\p{N}\p{Co}]+/u;
const hasLetter = /[\p{L}\p{N}\p{Co}]/u;

interface SearchTerms {
  /** FTS5 terms. */
  words: string[];
  /** Beginnings of addresses, as typed. */
  addresses: string[];
}

/** Control characters, NUL too, end a word. */
export const typedWords = (search: string): string[] => search.split(/[\s\p{Cc}]+/u);

/**
 * With something before the @ it is an address from its beginning, which the index of addresses finds;
 * `@example.com` is any lead there.
 */
export const isAddress = (word: string): boolean => word.indexOf('@') > 0 && hasLetter.test(word);

/** What a search looks for: all of it must be there. */
export function readSearch(search: string): SearchTerms {
  const typed = typedWords(search);
  return {
    addresses: typed.filter(isAddress),
    words: typed.flatMap((word) => {
      if (isAddress(word)) return [];
      const parts = word.split(wordBreaks).filter((part) => hasLetter.test(part));
      // Only the end of what was typed may be the beginning of a word.
      return parts.map((part, index) => (index === parts.length - 1 ? `"${part}"*` : `"${part}"`));
    }),
  };
}

/** How many look-ups a search takes; a bound is set on them. */
export function searchTermCount(search: string): number {
  const { words, addresses } = readSearch(search);
  return words.length + addresses.length;
}
