/**
 * A CSV of leads that a receipt is compared with: by ids, or by hashes of addresses.
 *
 * Reads RFC 4180 with commas or semicolons, as this product and spreadsheets write it. Keeps ids as bits and of hashes
 * the first 64 bits, so that a million leads are 8 MB.
 *
 * @module
 */
import { IdSet } from './id-set.ts';
import { readLines } from './lines.ts';

export interface LeadsFile {
  by: 'id' | 'address';
  /** Rows with an id or an address. */
  count: number;
  /** Notes that the receipt has this lead. */
  meet(leadId: number, addressHash: string | null): void;
  /** Rows that the receipt does not have; of those by id also which. */
  missing(): { count: number; ids: number[] };
}

/** Headers in lower case, without spaces. */
const idHeaders = ['leadid', 'id'];
const addressHeaders = ['email', 'e-mail', 'emailaddress', 'address'];

/** Ids in a message. */
const shownCount = 10;

/**
 * @param hashAddress - hashes an address with the key of the receipt; null without a key
 * @throws Error with what to do, when the file cannot be compared
 */
export function readLeadsFile(file: string, hashAddress: ((address: string) => string) | null): LeadsFile {
  let column = -1;
  let by: 'id' | 'address' | null = null;
  const ids = new IdSet();
  const hashes: bigint[] = [];
  for (const row of readRows(file)) {
    if (by === null) {
      const headers = row.map((cell) => cell.trim().toLowerCase().replaceAll(' ', ''));
      const idAt = headers.findIndex((header) => idHeaders.includes(header));
      const addressAt = headers.findIndex((header) => addressHeaders.includes(header));
      by = idAt === -1 ? 'address' : 'id';
      column = idAt === -1 ? addressAt : idAt;
      if (column === -1) throw new Error(`${file} has no column leadId, id or email.`);
      if (by === 'address' && hashAddress === null) {
        throw new Error(
          `${file} has addresses and no column leadId or id. A receipt has hashes of addresses: give the key too (--key).`,
        );
      }
      continue;
    }
    const cell = (row[column] ?? '').trim();
    if (cell === '') continue;
    if (by === 'id') {
      if (!/^\d{1,15}$/.test(cell)) throw new Error(`${file} has "${cell}" where a lead id should be.`);
      ids.add(Number(cell));
      // Spreadsheets are kept from taking a cell for a formula by an apostrophe.
    } else hashes.push(prefixOf(hashAddress?.(cell.replace(/^'(?=[=+\-@])/, '')) ?? ''));
  }
  if (by === null) throw new Error(`${file} is empty.`);
  return by === 'id' ? comparedById(ids) : comparedByAddress(BigUint64Array.from(hashes).sort());
}

function comparedById(ids: IdSet): LeadsFile {
  const met = new IdSet();
  return {
    by: 'id',
    count: ids.size,
    meet: (leadId) => void (ids.has(leadId) && met.add(leadId)),
    missing() {
      const missing: number[] = [];
      for (const id of ids) if (!met.has(id) && missing.push(id) === shownCount) break;
      return { count: ids.size - met.size, ids: missing };
    },
  };
}

function comparedByAddress(hashes: BigUint64Array): LeadsFile {
  const distinct = hashes.filter((hash, at) => at === 0 || hash !== hashes[at - 1]);
  const met = new IdSet();
  return {
    by: 'address',
    count: distinct.length,
    meet(_, addressHash) {
      const at = addressHash === null ? -1 : indexOf(distinct, prefixOf(addressHash));
      if (at !== -1) met.add(at);
    },
    missing: () => ({ count: distinct.length - met.size, ids: [] }),
  };
}

/** The first 64 bits: two of a million addresses share them once in forty million files. */
function prefixOf(hash: string): bigint {
  return Buffer.from(hash, 'base64url').readBigUInt64BE(0);
}

function indexOf(sorted: BigUint64Array, wanted: bigint): number {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? 0n) < wanted) from = middle + 1;
    else to = middle;
  }
  return sorted[from] === wanted ? from : -1;
}

/** The rows of a CSV. A quoted cell may have line ends. */
function* readRows(file: string): Generator<string[]> {
  let open = '';
  let delimiter: string | null = null;
  for (const { text } of readLines(file)) {
    if (text === null) throw new Error(`${file} is not UTF-8.`);
    const line = open + (open === '' ? text.replace(/^\uFEFF/, '') : text);
    // An odd number of quotes: the cell goes on in the next line.
    if (((line.split('"').length - 1) & 1) === 1) {
      open = `${line}\n`;
      continue;
    }
    open = '';
    const row = line.replace(/\r$/, '');
    delimiter ??= !row.includes(',') && row.includes(';') ? ';' : ',';
    if (row !== '') yield cellsOf(row, delimiter);
  }
}

function cellsOf(row: string, delimiter: string): string[] {
  if (!row.includes('"')) return row.split(delimiter);
  const cells: string[] = [];
  let cell = '';
  let isQuoted = false;
  for (let at = 0; at < row.length; at++) {
    const character = row.charAt(at);
    if (character === '"') {
      if (isQuoted && row[at + 1] === '"') {
        cell += '"';
        at++;
      } else isQuoted = !isQuoted;
    } else if (character === delimiter && !isQuoted) {
      cells.push(cell);
      cell = '';
    } else cell += character;
  }
  return [...cells, cell];
}
