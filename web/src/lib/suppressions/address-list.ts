/**
 * Finds the addresses in pasted text or in a file: one per line, separated by commas, or a column of a CSV
 * file. Names, headers and other columns beside an address are left out; a line without any address is told.
 *
 * Does not decide what a valid address is; the server does. What looks like an address has an @ in it.
 *
 * @module
 */

/** Every distinct thing with an @ in it, in order. */
export function addressesIn(text: string): string[] {
  const parts = text
    .split(/[\s,;"<>|]+/)
    .map((part) => part.replace(/^(?:mailto:|[('[])+|[)'\].]+$/gi, ''))
    .filter((part) => part.includes('@'));
  return [...new Set(parts)];
}

export interface AddressLines {
  addresses: string[];
  /** Lines that hold no address, as they were typed. */
  badLines: string[];
  /** The line that each address was first found in. */
  lineOf: ReadonlyMap<string, string>;
}

/** Reads a text line by line. A first line that names columns is no mistake. */
export function readAddressLines(text: string): AddressLines {
  const lineOf = new Map<string, string>();
  const badLines: string[] = [];
  const lines = text
    .split(/\r?\n|\r/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  for (const [at, line] of lines.entries()) {
    const found = addressesIn(line);
    for (const address of found) if (!lineOf.has(address)) lineOf.set(address, line);
    if (found.length === 0 && !(at === 0 && isHeader(line))) badLines.push(line);
  }
  return { addresses: [...lineOf.keys()], badLines, lineOf };
}

function isHeader(line: string): boolean {
  return /e-?mail|address|mail/i.test(line);
}
