/**
 * The receipt of an activation: its lines, and how they are chained and signed.
 *
 * The session object writes receipts and packages/cli verifies them; both use this file. A receipt is JSON Lines. Each
 * line is canonical JSON and has the hash of the line before and itself, and the last line signs the last hash.
 * What identifies a person is under a salted hash, a *leaf*, and only the leaf goes into the chain: such a part can be
 * taken out of a receipt, and everything else still verifies.
 *
 * Pure: the hash function is an argument. docs/RECEIPT.md describes the format.
 *
 * @module
 */
import { canonicalJson } from './canonical-json.ts';

/** Of the form of a receipt. */
export const receiptVersion = 1;

/** SHA-256 of a text's UTF-8 bytes, as base64url without padding: 43 characters. */
export type Sha256 = (text: string) => string;

/**
 * A part that identifies a person: `[salt, …values]` where it is open, its leaf where it was closed, null where
 * there never was one.
 */
export type Sealed<Values extends readonly unknown[]> =
  readonly [salt: string, ...values: Values] | string | null;

/** A recipient: the keyed hash of the address, and the mail provider's id of the mail. */
export type SealedMember = Sealed<[addressHash: string, messageId: string | null]>;

interface Chained {
  /** Position in the file, from 1 on. */
  n: number;
  hash: string;
}

interface Inner extends Chained {
  /** Which receipt the line belongs to: the begin of the hash of its first line. */
  of: string;
}

export interface HeadLine extends Chained {
  kind: 'receipt';
  version: typeof receiptVersion;
  sessionId: string;
  /** Rises when results change after the end of the activation. */
  revision: number;
  /** When this revision was first made; epoch ms. */
  at: number;
  /** The last revision before this one that somebody has got. */
  previous: { revision: number; hash: string } | null;
  state: string;
  startedAt: number | null;
  finishedAt: number;
  cancelledAt: number | null;
  /** When retention removed whom it was for; the receipt then has numbers only. */
  anonymizedAt: number | null;
  counts: ReceiptCounts;
  /** What it was started with. */
  start: Readonly<Record<string, unknown>> & { total: number };
  /** Those that began, in order; absent where it left in one. */
  waves?: readonly ReceiptWave[];
  /** The name of the activation and its audience as the request had it, which may mention a person. */
  about: Sealed<[name: string, audience: unknown]>;
  /** Events that are so old that the activation does not keep them. */
  eventsLeftOut: number;
}

/** A wave: the leads with ids after `afterLeadId` up to `lastLeadId`. */
export interface ReceiptWave extends Omit<ReceiptCounts, 'total' | 'unlisted'> {
  number: number;
  afterLeadId: number;
  /** Null where it was cancelled before all of it was planned. */
  lastLeadId: number | null;
  leads: number;
  startedAt: number | null;
  settledAt: number | null;
  endedAt: number | null;
  /** Who went on in spite of a limit, or before the end of the watch. */
  passedBy: string | null;
}

/** Leads by result. */
export interface ReceiptCounts {
  total: number;
  sent: number;
  failed: number;
  unknown: number;
  /** The CRM refused to set them active. */
  refused: number;
  skipped: number;
  /** Of the skipped: they changed after the start or were never listed, so no batch has them. */
  unlisted: number;
}

/** Something that happened, such as a person's command. */
export interface EventLine extends Inner {
  kind: 'event';
  event: Readonly<Record<string, unknown>> & {
    kind: string;
    at: number;
    by: string | null;
    count: number | null;
  };
}

/** A batch: one call to the mail API under one idempotency key. */
export interface BatchLine extends Inner {
  kind: 'batch';
  seq: number;
  /** The batch that its recipients came from. */
  origin: number | null;
  state: string;
  key: string;
  payloadHash: string | null;
  attempts: number;
  attemptAt: number | null;
  /** `risked`: a person had it sent although its recipients may have been mailed before. */
  retried: 'asked' | 'risked' | null;
  code: string | null;
  /** Ids of the recipients. */
  leads: readonly number[];
  /** One letter for each recipient; see {@link resultLetters}. */
  results: string;
  /** Why mails failed: index of the recipient, code. */
  failures: readonly (readonly [index: number, code: string])[];
  /** By recipient. */
  members: readonly SealedMember[];
  /** Leads that got no mail: id, `skipped` or `refused`, reason. */
  others: readonly (readonly [leadId: number, result: 'skipped' | 'refused', reason: string])[];
}

export interface EndLine extends Inner {
  kind: 'end';
  batches: number;
}

export interface SignatureLine {
  kind: 'signature';
  n: number;
  of: string;
  algorithm: 'Ed25519';
  keyId: string;
  /** The raw public key, as base64url. */
  publicKey: string;
  /** Over {@link signedText}, as base64url. */
  signature: string;
}

export type ChainedLine = HeadLine | EventLine | BatchLine | EndLine;
export type ReceiptLine = ChainedLine | SignatureLine;

/** The result of a recipient's mail. `m`: the recipient is in another batch now, and has the result there. */
export const resultLetters = { sent: 's', failed: 'f', unknown: 'u', moved: 'm' } as const;

/** What stands before the first line in the chain. */
const chainStart = `lead-activation receipt ${receiptVersion}`;

/** Characters of a hash that name a receipt: enough to tell receipts apart, and few for every line. */
const nameLength = 11;

/** The leaf of an open part; of a closed one, the leaf that it is. */
export function leafOf(sealed: Sealed<readonly unknown[]>, sha256: Sha256): string | null {
  return sealed === null || typeof sealed === 'string' ? sealed : sha256(canonicalJson(sealed));
}

/** The hash of a line: over the hash of the line before, and the line with leaves in the place of what they seal. */
export function lineHash(
  previousHash: string | null,
  { hash: _hash, ...content }: ChainedLine,
  sha256: Sha256,
): string {
  const leaves =
    content.kind === 'receipt'
      ? { ...content, about: leafOf(content.about, sha256) }
      : content.kind === 'batch'
        ? { ...content, members: content.members.map((member) => leafOf(member, sha256)) }
        : content;
  return sha256(`${previousHash ?? chainStart}\n${canonicalJson(leaves)}`);
}

/** The name of a receipt in its lines. */
export function receiptName(headHash: string): string {
  return headHash.slice(0, nameLength);
}

/** What the signature is over. Names its purpose, so that no other signature of the key fits here. */
export function signedText(endHash: string): string {
  return `${chainStart} ends in ${endHash}`;
}

/** The text whose SHA-256 is the id of a public key: its JWK thumbprint (RFC 7638). */
export function thumbprintText(publicKey: string): string {
  return JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x: publicKey });
}

/** A line of a kind, without what its place in the chain gives it. */
type Unchained<Line> = Line extends Inner ? Omit<Line, 'n' | 'of' | 'hash'> : never;

/** How far a receipt is written. Plain data, so that a page of it can be made from where the last one ended. */
export interface ChainPosition {
  n: number;
  hash: string;
  of: string;
}

/** The first line as text, and the position behind it. */
export function beginChain(
  head: Omit<HeadLine, 'n' | 'hash'>,
  sha256: Sha256,
): { text: string; position: ChainPosition } {
  const line: HeadLine = { ...head, n: 1, hash: '' };
  line.hash = lineHash(null, line, sha256);
  return {
    text: `${canonicalJson(line)}\n`,
    position: { n: 1, hash: line.hash, of: receiptName(line.hash) },
  };
}

/** The next line as text; moves the position behind it. */
export function nextLine(
  position: ChainPosition,
  content: Unchained<EventLine> | Unchained<BatchLine> | Unchained<EndLine>,
  sha256: Sha256,
): string {
  position.n++;
  const line = { ...content, n: position.n, of: position.of, hash: '' } as ChainedLine;
  line.hash = lineHash(position.hash, line, sha256);
  position.hash = line.hash;
  return `${canonicalJson(line)}\n`;
}

/** The last line as text. */
export function signatureLine(
  position: ChainPosition,
  signed: Pick<SignatureLine, 'keyId' | 'publicKey' | 'signature'>,
): string {
  const { n, of } = position;
  const line: SignatureLine = { kind: 'signature', n: n + 1, of, algorithm: 'Ed25519', ...signed };
  return `${canonicalJson(line)}\n`;
}
