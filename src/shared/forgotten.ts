/**
 * A person to be erased, as the texts by which other records may mention them.
 *
 * Pure. Invariant: texts are compared without regard to case, and the replacement for a mention reveals nothing.
 *
 * @module
 */
import type { ExternalId } from './schemas/leads.ts';

/** The person to be erased. */
export interface ForgottenPerson {
  /** Null for a person who is not a lead. */
  leadId: number | null;
  /** Their present and earlier addresses, in lower case. */
  emails: readonly string[];
  /** Their full names, in the forms that the name of an activation or a file may contain. */
  names: readonly string[];
  /** What another system knows the lead by: a whole cell of a file. Left out where nothing does. */
  externalId?: ExternalId;
}

/** The replacement for a mention of a person. */
export const forgottenMark = '…';

/**
 * The full names of a person: first and last name, in both orders. A single word does not count, because removing
 * every "Ann" would affect other people.
 */
export function fullNames(person: { firstName: string; lastName: string }): string[] {
  const [first, last] = [person.firstName.trim(), person.lastName.trim()];
  if (first.length < 2 || last.length < 2) return [];
  return [`${first} ${last}`, `${last}, ${first}`, `${last} ${first}`];
}

/**
 * True for a text that other texts may be searched for: it has an @ with text on both sides. A request to erase can
 * have any text, and "a" is in almost every text.
 */
export const isSearchableEmail = (email: string): boolean => /[^\s@]@[^\s@]/.test(email);

/** Finds each mention as a whole word, so that ann@b.example is not found in joann@b.example. */
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

/** The text with each mention replaced. */
export function withoutMentions(text: string, person: ForgottenPerson): string {
  const pattern = mentionPattern(person);
  return pattern === null ? text : text.replace(pattern, forgottenMark);
}
