/**
 * The meaning of a typed search, as queries of the indexes of leads.
 *
 * Pure. Invariant: any text is data and never a command of FTS5. Each query is one token of the index, since an index
 * without positions (`detail=none`) refuses a phrase.
 *
 * What a search means is in docs/decisions/0016-a-search-is-what-was-typed.md. The index's letters for punctuation are
 * those of migrations/0010_search_as_typed.sql.
 *
 * @module
 */

/** One term of a search; a lead must match all terms. */
export type SearchTerm =
  /** A word of a name, company or address, or its beginning when it may be incomplete. */
  | { kind: 'word'; text: string; isWhole: boolean }
  /** `example.com`, `.com`: what ends a domain, or a dotted word of a name or company. No address begins so. */
  | { kind: 'dotted'; text: string }
  /** `jane.d`: as `dotted`, or in its parts where it cannot be one; or the beginning of an address. */
  | { kind: 'dottedOrAddress'; text: string; parts: SearchTerm[] }
  /** `@example.com`: the domain of an address; without a dot, its beginning. */
  | { kind: 'domain'; text: string }
  /** `jane@exa`: the beginning of an address. */
  | { kind: 'address'; text: string };

/** The index has these where a text has punctuation. */
const beginsAddress = '\ue000';
const letters: Readonly<Record<string, string>> = {
  '.': '\ue001',
  '-': '\ue002',
  '@': '\ue003',
  '+': '\ue004',
  _: '\ue005',
  "'": '\ue006',
};
const inIndex = (text: string): string => text.replace(/[-.@+_']/g, (sign) => letters[sign] ?? sign);

/** The letters of the index by its `categories`, except its own letters above. */
const letter = String.raw`(?:(?![\ue000-\ue00a])[\p{L}\p{M}\p{N}\p{Co}])`;
const hasLetter = /(?![\ue000-\ue00a])[\p{L}\p{N}\p{Co}]/u;
const words = new RegExp(`${letter}+`, 'gu');
/** Words with the characters that join them in an address, a domain or initials. */
const pieces = new RegExp(`(?:${letter}|[-.+_'])+`, 'gu');
const domainPiece = new RegExp(`^(?:${letter}|[-.])+`, 'u');
const isWordChar = new RegExp(`^${letter}`, 'u');

const matches = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([match]) => match).filter((match) => hasLetter.test(match));

/** Control characters, including NUL, end a word. */
export const typedWords = (search: string): string[] => search.split(/[\s\p{Cc}]+/u);

/** With text before the @ the term is the beginning of an address, which the index of addresses finds. */
export const isAddress = (word: string): boolean => word.indexOf('@') > 0 && hasLetter.test(word);

/** Removes the punctuation around it; a dot before the first letter stays. */
function trimPiece(piece: string): string {
  const end = piece.replace(/[-.+_']+$/, '');
  const start = [...end].findIndex((sign) => isWordChar.test(sign));
  return start > 0 && end[start - 1] === '.' ? end.slice(start - 1) : end.slice(start);
}

function readPiece(piece: string): SearchTerm[] {
  const text = trimPiece(piece);
  if (!text.includes('.')) {
    return matches(text, words).map((word) => ({ kind: 'word', text: word, isWhole: true }));
  }
  if (text.startsWith('.')) {
    // A domain cannot have these characters.
    const [first = '', ...rest] = text.split(/[+_']/);
    return [{ kind: 'dotted', text: first }, ...rest.flatMap(readPiece)];
  }
  const parts = text.split(/[+_']+/);
  const of: SearchTerm[] = parts.length > 1 ? parts.flatMap(readPiece) : [{ kind: 'dotted', text }];
  return [{ kind: 'dottedOrAddress', text, parts: of }];
}

function readWord(word: string): SearchTerm[] {
  if (isAddress(word)) return [{ kind: 'address', text: word }];
  const terms: SearchTerm[] = [];
  let rest = word;
  if (word.startsWith('@')) {
    rest = word.replace(/^@+/, '');
    const [found = ''] = domainPiece.exec(rest) ?? [];
    const text = found.replace(/[-.]+$/, '');
    if (hasLetter.test(text)) {
      terms.push({ kind: 'domain', text });
      rest = rest.slice(found.length);
    }
  }
  terms.push(...matches(rest, pieces).flatMap(readPiece));
  // Only the last typed word can be incomplete.
  const end = terms.at(-1);
  const last = end?.kind === 'dottedOrAddress' ? end.parts.at(-1) : end;
  if (last?.kind === 'word') last.isWhole = false;
  return terms;
}

/** The terms of a search, in the order in which they were typed. */
export const readSearch = (search: string): SearchTerm[] => typedWords(search).flatMap(readWord);

/** A term as an expression of FTS5 (sqlite.org/fts5.html, "Full-text Query Syntax"); null for an address. */
function ftsOf(term: SearchTerm): string | null {
  switch (term.kind) {
    case 'word':
      return `"${term.text}"${term.isWhole ? '' : '*'}`;
    case 'dotted': {
      const text = inIndex(term.text);
      const dot = inIndex('.');
      // From a dot on, or as a whole; a dot after it may be punctuation.
      const starts = term.text.startsWith('.') ? [text] : [text, `${dot}${text}`];
      return `(${starts.flatMap((start) => [`"${start}"`, `"${start}${dot}"`]).join(' OR ')})`;
    }
    case 'dottedOrAddress':
      return `((${all(term.parts)}) OR "${beginsAddress}${inIndex(term.text)}"*)`;
    case 'domain':
      return `"${inIndex(`@${term.text}`)}"${term.text.includes('.') ? '' : '*'}`;
    case 'address':
      return null;
    default:
      return term satisfies never;
  }
}

const all = (terms: readonly SearchTerm[]): string =>
  terms
    .map(ftsOf)
    .filter((fts) => fts !== null)
    .join(' AND ');

/** The index queries of a search: an FTS5 query or null, and beginnings of addresses. */
export function searchLookUps(search: string): { fts: string | null; addresses: string[] } {
  const terms = readSearch(search);
  const fts = all(terms);
  return {
    fts: fts === '' ? null : fts,
    addresses: terms.flatMap((term) => (term.kind === 'address' ? [term.text] : [])),
  };
}

/** The number of terms of a search as a person would count them; it has a bound. */
export function searchTermCount(search: string): number {
  const count = (terms: readonly SearchTerm[]): number =>
    terms.reduce((sum, term) => sum + (term.kind === 'dottedOrAddress' ? count(term.parts) : 1), 0);
  return count(readSearch(search));
}
