/**
 * A person who is to be forgotten, as texts in which other records may mention them.
 *
 * Pure. Keeps true: a text is compared whatever its case; what takes its place says nothing.
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

const textsOf = ({ emails, names }: ForgottenPerson): string[] =>
  [...emails, ...names].filter((text) => text !== '').map((text) => text.toLowerCase());

/** True when the text mentions the person. */
export function mentions(text: string, person: ForgottenPerson): boolean {
  const folded = text.toLowerCase();
  return textsOf(person).some((known) => folded.includes(known));
}

/** The text with a mark in place of each mention. */
export function withoutMentions(text: string, person: ForgottenPerson): string {
  // The longest first: of two addresses one may be the beginning of the other.
  const known = textsOf(person)
    .sort((one, other) => other.length - one.length)
    .map((it) => it.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  if (known.length === 0) return text;
  return text.replace(new RegExp(known.join('|'), 'giu'), forgottenMark);
}
