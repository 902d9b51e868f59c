/**
 * Verifies a receipt, and says what it proves and what it does not.
 *
 * @module
 */
import { createHash, createHmac, createPublicKey, verify as verifySignature } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { HeadLine, SignatureLine } from '../../../src/shared/receipt.ts';
import { ChainCheck, type Crypto, type Fault } from './chain.ts';
import { Claims, leads, number, type Claim, type ReceiptApproval } from './claims.ts';
import { readLeadsFile, type LeadsFile } from './leads-file.ts';
import { readLines } from './lines.ts';

export interface VerifyOptions {
  file: string;
  /** A key set as /.well-known/lead-activation-receipt-keys.json has it. */
  keysFile: string | null;
  /** A CSV of leads that the receipt should have. */
  leadsFile: string | null;
  /** The key of the addresses in the receipt. */
  addressKey: string | null;
  /** Whose line is shown. */
  person: string | null;
  leadId: number | null;
}

export interface Report {
  isProved: boolean;
  /** For a person. */
  lines: string[];
  fault: Fault | null;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

export const nodeCrypto: Crypto = {
  sha256,
  isSigned(publicKey, text, signature) {
    try {
      const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
      const bytes = Buffer.from(signature, 'base64url');
      // The last character has unused bits: only one way to write a signature is valid.
      return (
        bytes.toString('base64url') === signature && verifySignature(null, Buffer.from(text), key, bytes)
      );
    } catch {
      return false;
    }
  },
};

/** The hash under which a receipt has an address. */
export function hashAddress(key: string, address: string): string {
  return createHmac('sha256', key).update(address.trim().toLowerCase()).digest('base64url');
}

/**
 * @throws Error in a sentence, when a file cannot be read
 */
export function verify(options: VerifyOptions): Report {
  const { addressKey, person, leadId } = options;
  const keys = options.keysFile === null ? null : readKeys(options.keysFile);
  const hashing = addressKey === null ? null : (address: string) => hashAddress(addressKey, address);
  const list = options.leadsFile === null ? null : readLeadsFile(options.leadsFile, hashing);
  const chain = new ChainCheck(nodeCrypto);
  const claims = new Claims(
    (text) => createHash('sha256').update(text).digest('hex'),
    { leadId, addressHash: person === null || hashing === null ? null : hashing(person) },
    list === null ? null : (id, hash) => list.meet(id, hash),
  );
  for (const { text, isComplete } of readLines(options.file)) {
    // Bytes that are not UTF-8 make no line.
    const line = chain.add(text ?? '', isComplete);
    if (line !== null) claims.add(line);
  }
  const fault = chain.fault();
  if (fault !== null) return { isProved: false, fault, lines: faultLines(fault) };
  return report(claims, chain, keys, list, options);
}

function faultLines({ kind, message }: Fault): string[] {
  return [
    `Not proved: ${kind}`,
    `  ${message}`,
    '',
    'This file is not what was signed. Get the receipt again from where it was made.',
  ];
}

function readKeys(file: string): Set<string> {
  const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys?: { x?: unknown }[] };
  if (!Array.isArray(keys)) throw new Error(`${file} is no key set: it has no "keys".`);
  return new Set(keys.flatMap(({ x }) => (typeof x === 'string' ? [x] : [])));
}

function report(
  claims: Claims,
  chain: ChainCheck,
  keys: ReadonlySet<string> | null,
  list: LeadsFile | null,
  { person, leadId }: VerifyOptions,
): Report {
  const { head } = claims;
  const { signature } = chain;
  if (head === null || signature === null)
    throw new Error('A receipt without a fault has a head and a signature.');
  const all: Claim[] = [
    { name: 'Unchanged', holds: true, message: `${number(chain.lineCount)} lines, as they were signed` },
    signedClaim(signature, keys),
    ...claims.all(),
    ...(list === null ? [] : [listClaim(list, claims)]),
  ];
  const isProved = all.every(({ holds }) => holds) && head.anonymizedAt === null;
  const show = (holds: boolean): string[] =>
    all
      .filter((claim) => claim.holds === holds)
      .map(({ name, message }) => `  ${name.padEnd(12)} ${message}`);
  const open = [...show(false), ...limitsOf(head, claims, keys).map((line) => `  ${line}`)];
  return {
    isProved,
    fault: null,
    lines: [
      ...headLines(head),
      '',
      'Proved',
      ...show(true),
      '',
      'Not proved',
      ...open,
      ...commandLines(claims),
      ...(person === null && leadId === null ? [] : personLines(claims)),
      '',
      isProved ? verdict(signature, keys) : 'Not everything is proved.',
    ],
  };
}

function verdict({ keyId }: SignatureLine, keys: ReadonlySet<string> | null): string {
  return keys === null ? `Proved, if the key ${keyId} is theirs.` : 'Proved.';
}

function signedClaim({ keyId, publicKey }: SignatureLine, keys: ReadonlySet<string> | null): Claim {
  const claim = (holds: boolean, message: string): Claim => ({ name: 'Signed', holds, message });
  if (keys === null) return claim(true, `with the key ${keyId}`);
  return keys.has(publicKey)
    ? claim(true, `with the key ${keyId}, which is in the key set`)
    : claim(false, `with the key ${keyId}, which is not in the key set`);
}

function listClaim(list: LeadsFile, claims: Claims): Claim {
  const { count, ids } = list.missing();
  const more = claims.leadCount - (list.count - count);
  const rest = list.by === 'id' && more > 0 ? `; the receipt has ${leads(more)} more` : '';
  if (count === 0) {
    return {
      name: 'Your list',
      holds: true,
      message: `all ${leads(list.count)} of the file are in the receipt${rest}`,
    };
  }
  const which = ids.length === 0 ? '' : `: ${ids.join(', ')}${ids.length < count ? ', …' : ''}`;
  const why = list.by === 'id' ? '' : '; a lead that was skipped or erased has no address in a receipt';
  return {
    name: 'Your list',
    holds: false,
    message: `${leads(count)} of ${number(list.count)} are not in the receipt${which}${why}${rest}`,
  };
}

/** What no receipt of this kind can prove. */
function limitsOf(head: HeadLine, claims: Claims, keys: ReadonlySet<string> | null): string[] {
  return [
    ...(head.anonymizedAt === null
      ? []
      : [
          `Once, nobody lost: the results of single leads were deleted on ${day(head.anonymizedAt)}, after their retention.`,
        ]),
    ...(keys === null
      ? [
          'Whose key it is: compare it with /.well-known/lead-activation-receipt-keys.json of the app, or give that file with --keys.',
        ]
      : []),
    'That a mail was delivered or read: a receipt ends where the mail provider took it.',
    'That the one who holds the key wrote the truth: a signature shows who says it, and that nobody has changed it since.',
    ...(claims.unknownCount === 0
      ? []
      : [`Whether ${number(claims.unknownCount)} unconfirmed mails were taken: the provider did not say.`]),
    ...(claims.assumedCount === 0
      ? []
      : [
          `Whether ${number(claims.assumedCount)} mails were taken that a person took for sent: the provider did not say.`,
        ]),
    ...(head.eventsLeftOut === 0
      ? []
      : [`The first ${number(head.eventsLeftOut)} events: they are not kept.`]),
  ];
}

function headLines({ sessionId, revision, at, state, counts, start, about }: HeadLine): string[] {
  const name = typeof about === 'object' && about !== null ? ` "${plain(about[1])}"` : '';
  const { owner, createdAt, approval } = start as {
    owner?: string;
    createdAt?: number;
    approval?: ReceiptApproval;
  };
  const verdicts = [
    ['approved', approval?.approved],
    ['rejected', approval?.rejected],
  ] as const;
  return [
    `Receipt of ${sessionId}${name}`,
    `  revision ${revision} of ${time(at)}`,
    `  ${state}, ${leads(counts.total)}, started by ${plain(owner ?? '?')} on ${time(createdAt ?? 0)}`,
    ...verdicts.flatMap(([word, verdict]) =>
      verdict == null ? [] : [`  ${word} by ${plain(verdict.by)} on ${time(verdict.at)}`],
    ),
  ];
}

/** Commands of people, as far as they are shown. */
const shownCommandCount = 20;

function commandLines({ events }: Claims): string[] {
  const commands = events.filter(({ by, kind }) => by !== null && kind !== 'started');
  if (commands.length === 0) return [];
  return [
    '',
    'Commands',
    ...commands
      .slice(0, shownCommandCount)
      .map(
        ({ kind, at, by, count }) =>
          `  ${time(at)}  ${kind.replaceAll('_', ' ')} by ${plain(by ?? '')}${count === null ? '' : ` (${number(count)})`}`,
      ),
    ...(commands.length > shownCommandCount ? [`  and ${commands.length - shownCommandCount} more`] : []),
  ];
}

function personLines({ found }: Claims): string[] {
  return [
    '',
    'This person',
    ...(found.length === 0
      ? ['  is not in this receipt by address or id. A lead that was skipped or erased has no address in it.']
      : found.flatMap(({ leadId, seq, result, key, attemptAt, messageId }) => [
          `  lead ${leadId}, batch ${seq}: ${result}`,
          ...(attemptAt === null ? [] : [`    call of ${time(attemptAt)} under the key ${key}`]),
          ...(messageId === null ? [] : [`    the provider's id: ${plain(messageId)}`]),
        ])),
  ];
}

const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Without control characters, which could move the cursor of a terminal. */
const plain = (text: string): string => text.replace(/\p{C}/gu, ' ');
