/**
 * Mails to some leads as they would leave, for people to look at.
 *
 * @module
 */
import type { SessionSpec } from '../../core/session/session.ts';
import { senderNameOf } from '../../mail/templates/render.ts';
import type { Recipient } from '../../shared/recipient.ts';
import type { RenderedMail } from '../../shared/schemas/common.ts';
import type { compileUsable } from './templates.ts';

/** Leaves out a lead whose mail cannot be made. */
export function renderSample(
  compiled: ReturnType<typeof compileUsable>,
  recipients: readonly Recipient[],
  mail: SessionSpec['mail'],
): RenderedMail[] {
  return recipients.flatMap((recipient) => {
    const rendered = compiled.render(recipient, {
      senderName: senderNameOf(mail.from),
      actionUrl: mail.actionUrl,
      // Not the real link: the reader of a preview must not unsubscribe the lead.
      unsubscribeUrl: mail.publicUrl === null ? null : `${mail.publicUrl}/unsubscribe/preview`,
      postalAddress: mail.postalAddress,
    });
    if (rendered.kind === 'refused') return [];
    const { subject, html, text } = rendered;
    return [{ leadId: recipient.leadId, to: recipient.email, subject, html, text }];
  });
}
