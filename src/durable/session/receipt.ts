/**
 * Makes the receipt of a session that has ended, in pages, and keeps what an erasure must leave of it.
 *
 * Nothing is written while a session works. The first request for a receipt writes a record, and a row of seeds for each
 * thousand batches; every other byte comes from the rows of the session, so the same revision always has the same
 * bytes. When results change, the receipt gets the next revision. What it says is core/session/receipt.ts, its form
 * shared/receipt.ts.
 * Invariants: a page belongs to one revision, or the download breaks off; a revision has one last hash, whoever is erased.
 *
 * @module
 */
import type { Batch } from '../../core/batch/batch.ts';
import {
  batchContent,
  eventContent,
  receiptContent,
  type ReceiptRecord,
} from '../../core/session/receipt.ts';
import { templateHash } from '../../core/session/manifest.ts';
import type { Session } from '../../core/session/session.ts';
import { receiptAddressKey } from '../../crm/email.ts';
import { signingKey } from '../../runtime/receipt-keys.ts';
import { base64url } from '../../shared/base64url.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import {
  beginChain,
  leafOf,
  nextLine,
  receiptVersion,
  signatureLine,
  signedText,
  type ChainPosition,
  type HeadLine,
  type Sealed,
  type SealedMember,
} from '../../shared/receipt.ts';
import type { ClosedBatch } from '../store/receipt-store.ts';
import type { SessionContext } from './context.ts';
import { addressHasher, saltsFrom, sha256Text } from './receipt-hash.ts';

/** Where a page begins. */
export interface ReceiptCursor extends ChainPosition {
  stamp: string;
  afterSeq: number;
  batchCount: number;
}

export type ReceiptPage =
  | { kind: 'page'; text: string; next: ReceiptCursor | null }
  | { kind: 'unknown_session' | 'not_ended' | 'no_key' }
  /** Results have changed since the first page. */
  | { kind: 'changed' };

/**
 * Leads of one page: 3 MB of text and some 200 ms, in which no other request to this session is answered. A million leads
 * are 40 pages, and ten million stay far below the subrequests that a request may make.
 */
const pageLeadCount = 25_000;
/** Rows that are read at once. */
const readBatchCount = 50;

type ReceiptContext = Pick<SessionContext, 'store' | 'env' | 'settings' | 'now' | 'keyOf' | 'log'>;

/** One page of the receipt; without a cursor the first one. */
export async function receiptPage(
  context: ReceiptContext,
  cursor: ReceiptCursor | null,
): Promise<ReceiptPage> {
  const { store, settings } = context;
  const key = await signingKey(settings());
  const template = store.load()?.spec.template;
  if (template === undefined) return { kind: 'unknown_session' };
  const contentHash = await templateHash(template);
  // From here on nothing is awaited: a page is of one moment.
  const session = store.load();
  if (session === null) return { kind: 'unknown_session' };
  if (session.finishedAt === null) return { kind: cursor === null ? 'not_ended' : 'changed' };
  if (key === null) return { kind: 'no_key' };
  const stamp = stampOf(context, session, contentHash);
  if (cursor === null) return firstPage(context, session, { stamp, contentHash });
  if (cursor.stamp !== stamp) return { kind: 'changed' };
  const page = batchPage(context, session, cursor);
  if (page.next !== null) return page;
  // The end line is in `text`, and the cursor is behind it.
  if (!keepHash(context, cursor.hash)) return { kind: 'changed' };
  const signature = await key.sign(signedText(cursor.hash));
  const { keyId, publicKey } = key;
  return { ...page, text: page.text + signatureLine(cursor, { keyId, publicKey, signature }) };
}

/** A hash of everything that the receipt depends on, but what erasures take out of it. */
function stampOf({ store }: ReceiptContext, session: Session, contentHash: string): string {
  return sha256Text(
    canonicalJson([
      receiptContent(session, contentHash),
      store.timeline.events().map(eventContent),
      store.batches.lastSeq(),
    ]),
  );
}

function firstPage(
  context: ReceiptContext,
  session: Session,
  { stamp, contentHash }: { stamp: string; contentHash: string },
): ReceiptPage {
  const { store } = context;
  const record = store.transact(() => openRecord(context, stamp));
  const events = store.timeline.events();
  const head: Omit<HeadLine, 'n' | 'hash'> = {
    kind: 'receipt',
    version: receiptVersion,
    ...receiptContent(session, contentHash),
    revision: record.revision,
    at: record.at,
    previous: record.previous,
    about: aboutOf(session, record),
    eventsLeftOut: Math.max(0, (events[0]?.id ?? 1) - 1),
  };
  const { text, position } = beginChain(head, sha256Text);
  const lines = events.map((event) => nextLine(position, eventContent(event), sha256Text));
  return {
    kind: 'page',
    text: text + lines.join(''),
    next: { ...position, stamp, afterSeq: 0, batchCount: 0 },
  };
}

/** The record of the present revision, which is a new one when results have changed. Call inside a transaction. */
function openRecord({ store, now }: ReceiptContext, stamp: string): ReceiptRecord {
  const last = store.receipt.record();
  store.receipt.makeSeeds(store.batches.lastSeq(), (bytes) => crypto.getRandomValues(bytes));
  if (last?.stamp === stamp) return last;
  const record: ReceiptRecord = {
    revision: (last?.revision ?? 0) + 1,
    at: now(),
    stamp,
    // A revision that nobody has got to its end is not referred to.
    previous:
      last === null || last.hash === null
        ? (last?.previous ?? null)
        : { revision: last.revision, hash: last.hash },
    hash: null,
    aboutSalt: base64url(crypto.getRandomValues(new Uint8Array(16))),
    aboutLeaf: null,
  };
  store.receipt.save(record);
  return record;
}

function aboutOf({ spec }: Session, { aboutSalt, aboutLeaf }: ReceiptRecord): HeadLine['about'] {
  return aboutSalt === null ? aboutLeaf : [aboutSalt, spec.name, spec.audience];
}

/** The next batches, and the end where there are no more. Moves the cursor. */
function batchPage(
  context: ReceiptContext,
  session: Session,
  cursor: ReceiptCursor,
): Extract<ReceiptPage, { kind: 'page' }> {
  const { store, keyOf } = context;
  const seal = sealer(context, session);
  let text = '';
  for (let leadCount = 0; leadCount < pageLeadCount;) {
    const batches = store.results.after(cursor.afterSeq, readBatchCount);
    for (const batch of batches) {
      text += nextLine(cursor, batchContent(batch, keyOf(session, batch), seal(batch)), sha256Text);
      cursor.afterSeq = batch.seq;
      cursor.batchCount++;
      // A row is work also where its leads were all given away.
      leadCount += Math.max(1, batch.leadIds.length);
    }
    if (batches.length < readBatchCount) {
      text += nextLine(cursor, { kind: 'end', batches: cursor.batchCount }, sha256Text);
      return { kind: 'page', text, next: null };
    }
  }
  return { kind: 'page', text, next: cursor };
}

/**
 * Keeps the hash that this revision is signed with.
 *
 * @returns false when the revision was signed with another hash before. Then something has changed that the stamp does
 *   not have, which is a fault; the next download has the next revision.
 */
function keepHash({ store, log }: ReceiptContext, hash: string): boolean {
  return store.transact(() => {
    const record = store.receipt.record();
    if (record === null) return false;
    if (record.hash === hash) return true;
    const isNew = record.hash === null;
    store.receipt.save(isNew ? { ...record, hash } : { ...record, stamp: '' });
    if (!isNew) log('error', 'receipt_changed', { revision: record.revision });
    return isNew;
  });
}

/** Seals the recipients of a batch. */
function sealer(
  { store, env }: Pick<SessionContext, 'store' | 'env'>,
  session: Session,
): (batch: Batch) => SealedMember[] {
  const hashAddress = addressHasher(receiptAddressKey(env.ADDRESS_HASH_KEY, session.spec.sessionId));
  return (batch) => {
    const recipients = batch.recipients ?? [];
    const { salts, leaves } = restOf(store.receipt, batch.seq, recipients.length);
    return recipients.map(({ email }, index): SealedMember => {
      const salt = salts[index] ?? null;
      // Erased: before the first receipt it had no leaf, and afterwards the leaf is what is left.
      if (salt === null || email === '') return leaves[index] ?? null;
      return [salt, hashAddress(email), batch.messageIds?.[index] ?? null];
    });
  };
}

/** The salts of a batch, and the leaves of those of its recipients who were erased. */
function restOf(receipt: ReceiptContext['store']['receipt'], seq: number, count: number): ClosedBatch {
  const closed = receipt.closedOf(seq);
  if (closed !== null) return closed;
  const seed = receipt.seedOf(seq);
  return { salts: seed === null ? [] : saltsFrom(seed, count), leaves: [] };
}

/**
 * Keeps the leaves of leads that are about to be erased, and destroys their salts. Without a receipt it does nothing.
 * Call it before the recipients are erased, inside of the same transaction.
 */
export function closeMembers(
  context: Pick<SessionContext, 'store' | 'env'>,
  leadIds: ReadonlySet<number>,
  batches: Iterable<Batch>,
): void {
  const { store } = context;
  if (store.receipt.record() === null) return;
  const seal = sealer(context, store.session());
  for (const batch of batches) {
    const recipients = batch.recipients ?? [];
    const rest = restOf(store.receipt, batch.seq, recipients.length);
    // A batch that a retry added after the last receipt.
    if (rest.salts.length === 0) continue;
    const members = seal(batch);
    const isErased = recipients.map(({ leadId }) => leadIds.has(leadId));
    store.receipt.close(batch.seq, {
      salts: rest.salts.map((salt, index) => (isErased[index] === true ? null : salt)),
      leaves: members.map((member, index) =>
        isErased[index] === true ? leafOf(member, sha256Text) : (rest.leaves[index] ?? null),
      ),
    });
  }
}

/** The leaf of what a receipt says about the name and the audience; null where there is nothing to close. */
export function aboutLeaf({ store }: Pick<SessionContext, 'store'>): string | null {
  const record = store.receipt.record();
  if (record === null || record.aboutSalt === null) return null;
  const about: Sealed<readonly unknown[]> = aboutOf(store.session(), record);
  return leafOf(about, sha256Text);
}

/** Closes what a receipt says about the name and the audience, which have changed. Call inside a transaction. */
export function closeAbout({ store }: Pick<SessionContext, 'store'>, leaf: string): void {
  const record = store.receipt.record();
  if (record !== null) store.receipt.save({ ...record, aboutSalt: null, aboutLeaf: leaf });
}
