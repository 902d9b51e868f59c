/**
 * BatchMails: renders the mails of a batch, or says why a recipient gets none.
 *
 * Owns the session's compiled template, the recipients' unsubscribe links, and the last check of who must not be
 * mailed (erased, suppressed, cannot be rendered). Does not send and does not write rows.
 * Invariant: no clock and no random number goes into a mail, so that a repeat has the same bytes.
 *
 * @module
 */
import { pendingIndexes, recipientState, type Batch, type Failure } from '../../core/batch/batch.ts';
import { refusedState } from '../../core/batch/doubt.ts';
import type { Session } from '../../core/session/session.ts';
import { emailHash, isEmailHash } from '../../crm/email.ts';
import { suppressedAmong } from '../../crm/suppressions.ts';
import {
  compileTemplate,
  composeMail,
  senderNameOf,
  type CompiledTemplate,
} from '../../mail/templates/render.ts';
import type { OutgoingMail } from '../../mail/transport.ts';
import { unsubscribeToken } from '../../mail/unsubscribe-token.ts';
import type { Recipient } from '../../shared/recipient.ts';
import type { SessionContext } from '../session/context.ts';

export class BatchMails {
  readonly #context: Pick<SessionContext, 'store' | 'env'>;
  readonly #template: CompiledTemplate;
  /** From the flips of the batches in hand. A batch that was frozen by an earlier slice is hashed again. */
  readonly #emailHashes = new Map<number, string>();

  /** @throws when the session's frozen template does not compile; the start refuses such a template */
  constructor(context: Pick<SessionContext, 'store' | 'env'>) {
    this.#context = context;
    const template = compileTemplate(context.store.session().spec.template);
    if (template.kind === 'refused')
      throw new Error(`The session's template does not compile: ${template.message}`);
    this.#template = template;
  }

  /** Custom fields that the mails print; recipients are frozen with them. */
  get customFields(): readonly string[] {
    return this.#template.customFields;
  }

  /** Keeps the address hashes that a flip returned, so that the links of its batch need none computed. */
  cacheHashes(emailHashes: ReadonlyMap<number, string>): void {
    for (const [leadId, hash] of emailHashes) this.#emailHashes.set(leadId, hash);
  }

  /** Drops what was kept for a batch. */
  evict(batch: Batch): void {
    for (const leadId of batch.leadIds) this.#emailHashes.delete(leadId);
  }

  /**
   * Renders the mails of the pending recipients, in their order. In the returned batch, a recipient who gets no
   * mail is failed, or unknown where an earlier attempt may have been taken.
   */
  async of(batch: Batch): Promise<{ batch: Batch; mails: OutgoingMail[] }> {
    const { store } = this.#context;
    const session = store.session();
    const mails: OutgoingMail[] = [];
    const failures: Failure[] = [...batch.failures];
    const states = [...batch.recipientStates];
    const suppressed = await this.#suppressedSinceFlip(batch);
    for (const index of pendingIndexes(batch.recipientStates)) {
      const recipient = batch.recipients?.[index];
      if (recipient === undefined) continue;
      const mail = store.isErased(recipient.leadId)
        ? erasedFailure
        : suppressed.has(recipient.leadId)
          ? suppressedFailure
          : this.#render(session, batch, recipient);
      if (!('code' in mail)) {
        mails.push(mail);
        continue;
      }
      const state = refusedState(batch);
      states[index] = state;
      if (state === recipientState.failed) failures.push({ index, ...mail });
    }
    return { batch: { ...batch, recipientStates: states.join(''), failures }, mails };
  }

  /**
   * Checks suppressions again for split, retried or deferred batches: their flip may be days old. Not for a batch
   * that may have been taken, because its repeat must have the same bytes.
   */
  async #suppressedSinceFlip(batch: Batch): Promise<ReadonlySet<number>> {
    const isJustFlipped = batch.originSeq === null && batch.payloadHash === null;
    if (isJustFlipped || batch.inDoubtSince !== null) return new Set();
    const { env } = this.#context;
    const recipients = batch.recipients ?? [];
    const hashes = recipients.map(({ email }) => emailHash(env.ADDRESS_HASH_KEY, email));
    const suppressed = await suppressedAmong(env.DB, hashes);
    return new Set(
      recipients.flatMap(({ leadId }, index) => (suppressed.has(hashes[index] ?? '') ? [leadId] : [])),
    );
  }

  #render(
    session: Session,
    batch: Batch,
    recipient: Recipient,
  ): OutgoingMail | { code: string; message: string } {
    const { mail, sessionId } = session.spec;
    const unsubscribeUrl = this.#unsubscribeUrl(session, recipient);
    const rendered = this.#template.encode(recipient, {
      senderName: senderNameOf(mail.from),
      actionUrl: mail.actionUrl,
      unsubscribeUrl,
      postalAddress: mail.postalAddress,
    });
    if (rendered.kind === 'refused') return { code: `template_${rendered.code}`, message: rendered.message };
    return composeMail(rendered, recipient, {
      from: mail.from,
      replyTo: mail.replyTo,
      unsubscribeUrl,
      sessionId,
      batchId: String(batch.seq),
    });
  }

  /** The recipient's own link. It is the same for every attempt, because a repeat must have the same bytes. */
  #unsubscribeUrl({ spec }: Session, { leadId, email }: Recipient): string | null {
    if (spec.mail.publicUrl === null) return null;
    const secret = this.#context.env.ADDRESS_HASH_KEY;
    const known = this.#emailHashes.get(leadId);
    // A row of the CRM whose hash was damaged must not stop the session.
    const hash = known !== undefined && isEmailHash(known) ? known : emailHash(secret, email);
    const claim = { sessionId: spec.sessionId, leadId, emailHash: hash };
    return `${spec.mail.publicUrl}/unsubscribe/${unsubscribeToken(secret, claim)}`;
  }
}

const erasedFailure = { code: 'erased', message: 'The lead was erased before its mail was sent.' };
const suppressedFailure = {
  code: 'suppressed',
  message: 'The address was suppressed after the lead was activated.',
};
