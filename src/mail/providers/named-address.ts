/** `Name <address>` in its parts, for providers that take them separately. @module */

/**
 * Splits a sender.
 *
 * @returns the address alone, where there is no name
 */
export function namedAddress(from: string): { name?: string; email: string } {
  const match = /^\s*"?([^"<]*?)"?\s*<([^<>\s]+)>\s*$/.exec(from);
  const [, name = '', email = ''] = match ?? [];
  return email === '' ? { email: from } : name === '' ? { email } : { name, email };
}
