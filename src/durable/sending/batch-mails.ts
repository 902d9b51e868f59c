/**
 * BatchMails: the mails of a batch, or why some of its recipients get none.
 *
 * Owns: the session's compiled template, and who is left out at the last moment (erased, suppressed, cannot
 * be rendered). Never: sending, rows. Invariant: no clock and no chance, so that a repeat is the same bytes.
 *
 * @module
 */
import { pendingIndexes, type Batch, type Failure } from '../../core/batch/batch.ts';
import { refusedState } from '../../core/batch/doubt.ts';
import type { Session } from '../../core/session/session.ts';
import {
  compileTemplate,
  composeMail,
  senderNameOf,
  type CompiledTemplate,
} from '../../mail/templates/render.ts';
import type { OutgoingMail } from '../../mail/transport.ts';
import type { Recipient } from '../../shared/recipient.ts';
import type { SliceContext } from '../session/slice-context.ts';

type MailsContext = Pick<SliceContext, 'store' | 'unsubscribeUrlOf' | 'suppressedLeadIds'>;

export class BatchMails {
  readonly #context: MailsContext;
  readonly #template: CompiledTemplate;
  /** What the flips of the batches in hand told; a batch that was frozen before is hashed anew. */
  readonly #emailHashes = new Map<number, string>();

  /** @throws when the frozen template no longer compiles, which the start had checked */
  constructor(context: MailsContext) {
    this.#context = context;
    const template = compileTemplate(context.store.session().spec.template);
    if (template.kind === 'refused')
      throw new Error(`The session's template does not compile: ${template.message}`);
    this.#template = template;
  }

  /** Custom fields that the mails print, and recipients are frozen with. */
  get customFields(): readonly string[] {
    return this.#template.customFields;
  }

  /** The hashes of a batch's addresses, so that its links need none made. */
  cacheHashes(emailHashes: ReadonlyMap<number, string>): void {
    for (const [leadId, hash] of emailHashes) this.#emailHashes.set(leadId, hash);
  }

  /** The batch is let go. */
  evict(batch: Batch): void {
    for (const leadId of batch.leadIds) this.#emailHashes.delete(leadId);
  }

  /**
   * The mails of the recipients who are pending, in their order; the batch has those who get none as failed, or
   * as unknown where it may have been taken.
   */
  async of(batch: Batch): Promise<{ batch: Batch; mails: OutgoingMail[] }> {
    const { store } = this.#context;
    const session = store.session();
    const mails: OutgoingMail[] = [];
    const failures: Failure[] = [...batch.failures];
    const recipientStates = [...batch.recipientStates];
    const suppressed = await this.#suppressedSince(batch);
    for (const index of pendingIndexes(batch.recipientStates)) {
      const recipient = batch.recipients?.[index];
      if (recipient === undefined) continue;
      const mail = store.isErased(recipient.leadId)
        ? erasedFailure
        : suppressed.has(recipient.leadId)
          ? { code: 'suppressed', message: 'The address was suppressed after the lead was activated.' }
          : this.#render(session, batch, recipient);
      if (!('code' in mail)) {
        mails.push(mail);
        continue;
      }
      const recipientState = refusedState(batch);
      recipientStates[index] = recipientState;
      if (recipientState === 'f') failures.push({ index, ...mail });
    }
    return { batch: { ...batch, recipientStates: recipientStates.join(''), failures }, mails };
  }

  /**
   * Who of a batch that was split off, is retried or was turned away (429, quota) must not be mailed any
   * more: its flip, which looks for that, may be days old. Not once it may have been taken: from then on its
   * bytes stay the same.
   */
  async #suppressedSince(batch: Batch): Promise<ReadonlySet<number>> {
    const isJustFlipped = batch.originSeq === null && batch.payloadHash === null;
    if (isJustFlipped || batch.inDoubtSince !== null) return new Set();
    return this.#context.suppressedLeadIds(batch.recipients ?? []);
  }

  #render(
    session: Session,
    batch: Batch,
    recipient: Recipient,
  ): OutgoingMail | { code: string; message: string } {
    const { mail, sessionId } = session.spec;
    const unsubscribeUrl = this.#context.unsubscribeUrlOf(
      session,
      recipient,
      this.#emailHashes.get(recipient.leadId) ?? null,
    );
    const rendered = this.#template.render(recipient, {
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
}

/** Why a recipient whose lead was erased gets no mail of ours any more. */
const erasedFailure = { code: 'erased', message: 'The lead was erased before its mail was sent.' };
