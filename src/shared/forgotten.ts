/**
 * A person who is to be forgotten, as the texts in which other records may mention them.
 *
 * Pure. Invariant: texts are compared without regard to case, and the mark that replaces a mention says nothing.
 *
 * @module
 */

/** Whom to forget. */
export interface ForgottenPerson {
  /** Null for somebody who is no lead. */
  leadId: number | null;
  /** Addresses that are theirs, now or before, in lower case. */
  emails: readonly string[];
  /** Their full names, as they may be written in the name of an activation or of a file. */
  names: readonly string[];
}

/** What stands where a person was mentioned. */
export const forgottenMark = '…';

/**
 * The full names of somebody: first and last, in both orders. One word alone is nobody's name: to take out
 * every "Ann" would take out others.
 */
export function fullNames(person: { firstName: string; lastName: string }): string[] {
  const [first, last] = [person.firstName.trim(), person.lastName.trim()];
  if (first.length < 2 || last.length < 2) return [];
  return [`${first} ${last}`, `${last}, ${first}`, `${last} ${first}`];
}

/**
 * True for a text that can be looked for in others: something, an @, something. What a person asks to erase may
 * be any text, and "a" is in all of them.
 */
export const isSearchableEmail = (email: string): boolean => /[^\s@]@[^\s@]/.test(email);

/** Finds each mention: as a whole, so that ann@b.example is not found in joann@b.example. */
function mentionPattern({ emails, names }: ForgottenPerson): RegExp | null {
  const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  const parts = [
    ...emails
      .filter(isSearchableEmail)
      .map((email) => `(?<![\\p{L}\\p{N}._%+-])${escaped(email)}(?![\\p{L}\\p{N}]|[.-][\\p{L}\\p{N}])`),
    ...names.map((name) => `(?<![\\p{L}\\p{N}])${escaped(name)}(?![\\p{L}\\p{N}])`),
  ];
  return parts.length === 0 ? null : new RegExp(parts.join('|'), 'giu');
}

/** True when the text mentions the person. */
export function mentions(text: string, person: ForgottenPerson): boolean {
  return mentionPattern(person)?.test(text) ?? false;
}

/** The text with a mark in place of each mention. */
export function withoutMentions(text: string, person: ForgottenPerson): string {
  const pattern = mentionPattern(person);
  return pattern === null ? text : text.replace(pattern, forgottenMark);
}
