/**
 * Where a search is found in a lead, to show why the lead is in the list.
 *
 * Pure. Applies search-terms.ts to one lead, without an index, and does not decide who is found. JavaScript's Unicode
 * tables are newer than FTS5's, so that with rare letters a lead may be found and have nothing marked.
 *
 * @module
 */
import { searchedFields, type Lead, type LeadMatch, type SearchedField } from '../../shared/schemas/leads.ts';
import { readSearch, type SearchTerm } from './search-terms.ts';

type Range = [from: number, to: number];

/** A text without case and accents, and where each of its characters stood. */
interface Folded {
  text: string;
  at: number[];
}

function fold(text: string): Folded {
  const folded: Folded = { text: '', at: [] };
  let from = 0;
  for (const character of text) {
    const plain = character.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '');
    folded.text += plain;
    folded.at.push(...Array.from({ length: plain.length }, () => from));
    from += character.length;
  }
  folded.at.push(text.length);
  return folded;
}

/** The matches of a pattern, from a position on. */
const runsOf = (text: string, pattern: RegExp, from = 0): { text: string; from: number }[] =>
  [...text.slice(from).matchAll(pattern)].map((match) => ({ text: match[0], from: from + match.index }));

const wordRuns = /[\p{L}\p{N}\p{Co}]+/gu;
const dottedRuns = /[\p{L}\p{N}\p{Co}.-]+/gu;

/** Where a term is in a folded text. */
function find(term: SearchTerm, field: SearchedField, text: string): Range[] {
  const domainFrom = field === 'email' ? text.indexOf('@') + 1 : 0;
  const wanted = fold(term.text).text;
  const from = (start: number): Range => [start, start + wanted.length];
  switch (term.kind) {
    case 'word':
      return runsOf(text, wordRuns)
        .filter((run) => (term.isWhole ? run.text === wanted : run.text.startsWith(wanted)))
        .map((run) => from(run.from));
    case 'dotted':
      return runsOf(text, dottedRuns, domainFrom).flatMap((run) => {
        const whole = run.text.endsWith(`${wanted}.`) ? run.text.slice(0, -1) : run.text;
        const start = whole.length - wanted.length;
        const isAtLabel = start === 0 || wanted.startsWith('.') || whole[start - 1] === '.';
        return whole.endsWith(wanted) && isAtLabel ? [from(run.from + start)] : [];
      });
    case 'dottedOrAddress':
      return term.parts.flatMap((part) => find(part, field, text));
    case 'domain': {
      if (field !== 'email' || domainFrom === 0) return [];
      const [run] = runsOf(text, dottedRuns, domainFrom);
      if (run?.from !== domainFrom) return [];
      const isIt = wanted.includes('.') ? run.text === wanted : run.text.startsWith(wanted);
      return isIt ? [[domainFrom - 1, domainFrom + wanted.length]] : [];
    }
    case 'address':
      return field === 'email' && text.startsWith(wanted) ? [from(0)] : [];
    default:
      return term satisfies never;
  }
}

/** In order, and those that touch as one. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const last = merged.at(-1);
    if (last === undefined || from > last[1]) merged.push([from, to]);
    else last[1] = Math.max(last[1], to);
  }
  return merged;
}

/** Which meanings of a term a lead has: where it begins the address, its parts are not why the lead is there. */
function termsIn(term: SearchTerm, email: string): SearchTerm[] {
  if (term.kind !== 'dottedOrAddress') return [term];
  const isBeginning = fold(email).text.split('@')[0]?.startsWith(fold(term.text).text) === true;
  const beginning: SearchTerm = { kind: 'address', text: term.text };
  if (!isBeginning) return [term];
  return term.parts.length === 1 ? [beginning, term] : [beginning];
}

/**
 * What a search is found in, field by field, in the order of {@link searchedFields}; those without are left
 * out.
 */
export function searchMatcher(search: string): (lead: Pick<Lead, SearchedField>) => LeadMatch[] {
  const terms = readSearch(search);
  return (lead) => {
    const wanted = terms.flatMap((term) => termsIn(term, lead.email));
    return searchedFields.flatMap((field) => {
      const { text, at } = fold(lead[field]);
      const ranges = wanted.flatMap((term) => find(term, field, text));
      const inLead = ranges.map(([from, to]): Range => [at[from] ?? 0, at[to] ?? lead[field].length]);
      return inLead.length === 0 ? [] : [{ field, ranges: merge(inLead) }];
    });
  };
}
