/**
 * What a receipt proves: from its lines, counted again, to claims that hold or do not.
 *
 * Gets the lines one by one and keeps ids as bits, so that a million leads need little memory. Does not check the chain
 * (chain.ts) and does not print.
 *
 * @module
 */
import { canonicalJson } from '../../../src/shared/canonical-json.ts';
import {
  resultLetters,
  type BatchLine,
  type EventLine,
  type HeadLine,
  type ReceiptCounts,
  type ReceiptLine,
} from '../../../src/shared/receipt.ts';
import { isOwnRequest, type ApprovalFacts } from '../../../src/shared/approval.ts';
import { IdSet } from './id-set.ts';

/** One statement about the activation. */
export interface Claim {
  name: string;
  holds: boolean;
  message: string;
}

/** Where a receipt has a person. */
export interface Found {
  seq: number;
  leadId: number;
  result: string;
  key: string;
  attemptAt: number | null;
  messageId: string | null;
}

/** Which leads are looked for. */
export interface Search {
  leadId: number | null;
  addressHash: string | null;
}

/** As the head of a receipt has it. */
export type ReceiptApproval = ApprovalFacts & { manifestHash: string | null };

/** Examples in a message. */
const shownCount = 5;

const resultWords: Readonly<Record<string, string>> = {
  [resultLetters.sent]: 'sent: the mail provider took the mail',
  [resultLetters.failed]: 'failed: the mail was certainly not taken',
  [resultLetters.unknown]: 'unknown: the mail may have been taken',
  [resultLetters.moved]: 'moved: its result is in another batch',
};

export class Claims {
  head: HeadLine | null = null;
  readonly events: EventLine['event'][] = [];
  readonly found: Found[] = [];
  readonly #search: Search;
  readonly #sha256Hex: (text: string) => string;
  /** Called for every lead, with the hash of its address where it has one. */
  readonly #onLead: ((leadId: number, addressHash: string | null) => void) | null;
  readonly #decided = new IdSet();
  readonly #moved = new IdSet();
  readonly #counts = { sent: 0, failed: 0, unknown: 0, refused: 0, skipped: 0 };
  #decidedTwice: number[] = [];
  #undecidedCount = 0;
  #riskedCount = 0;
  #lastSeq = 0;
  #batchCount = 0;
  #endBatchCount: number | null = null;
  #faultyBatch: string | null = null;
  #closedCount = 0;
  #assumedCount = 0;

  constructor(
    sha256Hex: (text: string) => string,
    search: Search,
    onLead: ((leadId: number, addressHash: string | null) => void) | null = null,
  ) {
    this.#sha256Hex = sha256Hex;
    this.#search = search;
    this.#onLead = onLead;
  }

  /** Leads of which nothing is left but their id and result. */
  get closedCount(): number {
    return this.#closedCount;
  }

  /** Mails that a person took for sent. Of those whose member is closed it cannot say who took them, so they count. */
  get assumedCount(): number {
    return this.#assumedCount;
  }

  get unknownCount(): number {
    return this.#counts.unknown;
  }

  add(line: ReceiptLine): void {
    switch (line.kind) {
      case 'receipt':
        this.head = line;
        return;
      case 'event':
        this.events.push(line.event);
        return;
      case 'batch':
        this.#addBatch(line);
        return;
      case 'end':
        this.#endBatchCount = line.batches;
        return;
      case 'signature':
        return;
      default:
        line satisfies never;
    }
  }

  #addBatch(batch: BatchLine): void {
    const { seq, leads, results, members, key, others } = batch;
    this.#batchCount++;
    if (seq <= this.#lastSeq) this.#faultyBatch ??= `batch ${seq} comes after batch ${this.#lastSeq}`;
    this.#lastSeq = seq;
    if (key !== `${this.head?.sessionId ?? ''}/${seq}`)
      this.#faultyBatch ??= `the key of batch ${seq} is another one's`;
    if (leads.length !== results.length || leads.length !== members.length) {
      this.#faultyBatch ??= `batch ${seq} has not one result for each recipient`;
    }
    for (let index = 0; index < leads.length; index++) {
      const leadId = leads[index] ?? 0;
      const letter = results[index] ?? '';
      const member = members[index] ?? null;
      const isOpen = typeof member === 'object' && member !== null;
      // A person took it for sent; where the provider has given an id, it was taken before.
      const isAssumed =
        letter === resultLetters.sent && batch.code === 'assumed_sent' && (!isOpen || member[2] === null);
      if (isAssumed) this.#assumedCount++;
      if (letter === resultLetters.moved) this.#moved.add(leadId);
      else if (letter === resultLetters.sent) this.#counts.sent++;
      else if (letter === resultLetters.failed) this.#counts.failed++;
      else if (letter === resultLetters.unknown) this.#counts.unknown++;
      else this.#undecidedCount++;
      if (letter !== resultLetters.moved) {
        this.#decide(leadId);
        if (!isOpen) this.#closedCount++;
        if (batch.retried === 'risked' && letter !== resultLetters.failed) this.#riskedCount++;
      }
      this.#onLead?.(leadId, isOpen ? member[1] : null);
      if (leadId === this.#search.leadId || (isOpen && member[1] === this.#search.addressHash)) {
        const words = isAssumed ? 'a person took it for sent' : (resultWords[letter] ?? letter);
        this.#note(batch, leadId, words, isOpen ? member[2] : null);
      }
    }
    for (const [leadId, result, reason] of others) {
      this.#counts[result]++;
      this.#decide(leadId);
      this.#onLead?.(leadId, null);
      if (leadId === this.#search.leadId) {
        this.#note(batch, leadId, `${result}, no mail: ${reason.replaceAll('_', ' ')}`, null);
      }
    }
  }

  #note({ seq, key, attemptAt }: BatchLine, leadId: number, result: string, messageId: string | null): void {
    this.found.push({ seq, leadId, result, key, attemptAt, messageId });
  }

  #decide(leadId: number): void {
    if (!this.#decided.add(leadId) && this.#decidedTwice.length < shownCount) this.#decidedTwice.push(leadId);
  }

  hasLead(leadId: number): boolean {
    return this.#decided.has(leadId) || this.#moved.has(leadId);
  }

  get leadCount(): number {
    return this.#decided.size;
  }

  /** The claims. Call it after the last line. */
  all(): Claim[] {
    const { head } = this;
    if (head === null) return [];
    const claims = head.anonymizedAt === null ? [this.#once(), this.#nobodyLost(head), this.#sums(head)] : [];
    const { manifest } = head.start as { manifest?: { manifest: unknown; hash: string } };
    if (manifest !== undefined) {
      const holds = this.#sha256Hex(canonicalJson(manifest.manifest)) === manifest.hash;
      claims.push({
        name: 'Manifest',
        holds,
        message: holds
          ? `it was started with the manifest ${manifest.hash}`
          : 'the manifest does not have its hash',
      });
    }
    const approval = approvalClaim(head);
    return approval === null ? claims : [...claims, approval];
  }

  #once(): Claim {
    const claim = (holds: boolean, message: string): Claim => ({ name: 'Once', holds, message });
    if (this.#faultyBatch !== null) return claim(false, this.#faultyBatch);
    if (this.#decidedTwice.length > 0) {
      return claim(false, `leads have two results: ${this.#decidedTwice.join(', ')}`);
    }
    if (this.#riskedCount > 0) {
      return claim(
        false,
        `${leads(this.#riskedCount)} may have been mailed twice: a person had unconfirmed mail sent again`,
      );
    }
    return claim(
      true,
      `each of ${leads(this.#decided.size)} has one result, and each batch one idempotency key`,
    );
  }

  #nobodyLost({ counts }: HeadLine): Claim {
    const claim = (holds: boolean, message: string): Claim => ({ name: 'Nobody lost', holds, message });
    if (this.#undecidedCount > 0) return claim(false, `${leads(this.#undecidedCount)} have no result`);
    if (this.#endBatchCount !== this.#batchCount) return claim(false, 'batches are missing');
    for (const leadId of this.#moved) {
      if (!this.#decided.has(leadId))
        return claim(false, `lead ${leadId} was moved to a batch that is not here`);
    }
    const known = this.#decided.size + counts.unlisted;
    if (known !== counts.total) {
      return claim(false, `${leads(counts.total)} were selected, and ${number(known)} have a result`);
    }
    const unlisted =
      counts.unlisted === 0
        ? ''
        : `, ${number(counts.unlisted)} of them only as a number: they were never listed`;
    return claim(true, `all ${leads(counts.total)} that were selected have a result${unlisted}`);
  }

  #sums({ counts }: HeadLine): Claim {
    const recount: ReceiptCounts = {
      ...this.#counts,
      skipped: this.#counts.skipped + counts.unlisted,
      unlisted: counts.unlisted,
      total: counts.total,
    };
    const wrong = (Object.keys(recount) as (keyof ReceiptCounts)[]).find(
      (name) => recount[name] !== counts[name],
    );
    const holds = wrong === undefined;
    return {
      name: 'Sums',
      holds,
      message: holds
        ? `${number(counts.sent)} sent, ${number(counts.failed)} failed, ${number(counts.unknown)} unknown, ${number(counts.refused)} refused by the CRM, ${number(counts.skipped)} skipped`
        : `${wrong} is ${number(counts[wrong])}, and the batches have ${number(recount[wrong])}`,
    };
  }
}

/** What a receipt says about the approval by another person; null where nobody had to approve it. */
function approvalClaim({ start, counts }: HeadLine): Claim | null {
  const { approval, manifest, owner } = start as {
    approval?: ReceiptApproval;
    manifest?: { hash: string };
    owner?: string;
  };
  if (approval === undefined) return null;
  const { approved, manifestHash } = approval;
  const claim = (holds: boolean, message: string): Claim => ({ name: 'Approval', holds, message });
  const mailedCount = counts.sent + counts.failed + counts.unknown;
  if (approved === null) {
    return mailedCount === 0
      ? claim(true, 'nobody approved it, and nobody was mailed')
      : claim(false, `${leads(mailedCount)} may have been mailed, and nobody approved it`);
  }
  if (owner !== undefined && isOwnRequest(owner, approved.by))
    return claim(false, 'it was approved by the one who started it');
  return manifestHash === manifest?.hash
    ? claim(true, 'another person approved exactly this manifest')
    : claim(false, 'another manifest was approved');
}

/** With commas. Not by `toLocaleString`, whose tables take megabytes of memory. */
export function number(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

export function leads(count: number): string {
  return `${number(count)} ${count === 1 ? 'lead' : 'leads'}`;
}
