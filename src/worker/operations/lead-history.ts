/**
 * What happened to one lead: its imports, the edits by people, and its activation with the email as it was sent.
 *
 * @module
 */
import { getActivation } from '../../crm/activations.ts';
import { importsOfLead } from '../../crm/imports/import.ts';
import { leadEdits } from '../../crm/leads/edits.ts';
import { takenBackOf } from '../../crm/take-back.ts';
import { sessionStub } from '../../durable/stubs.ts';
import { compileTemplate, senderNameOf } from '../../mail/templates/render.ts';
import { limits } from '../../shared/limits.ts';
import type { LeadHistory, LeadResult } from '../../shared/schemas/activation.ts';
import type { Lead } from '../../shared/schemas/leads.ts';

type SentMail = NonNullable<LeadHistory['activation']>['mail'];

export async function leadHistory(env: Env, lead: Lead): Promise<LeadHistory> {
  const { activatedBy: sessionId, activatedAt: at } = lead;
  const [imports, edits, takenBack] = await Promise.all([
    importsOfLead(env.DB, lead.id),
    leadEdits(env.DB, lead.id, limits.maxLeadEditCount),
    takenBackHistory(env, lead.id),
  ]);
  if (sessionId === null || at === null) return { imports, edits, activation: null, takenBack };
  const [progress, result] = await Promise.all([
    getActivation(env.DB, sessionId),
    sessionStub(env, sessionId).leadResult(lead.id),
  ]);
  const { name = null, owner = null } = progress ?? {};
  const mail = await sentMail(env, sessionId, result);
  return { imports, edits, activation: { sessionId, name, owner, at, mail, result }, takenBack };
}

async function takenBackHistory(env: Env, leadId: number): Promise<LeadHistory['takenBack']> {
  const takenBack = await takenBackOf(env.DB, leadId);
  if (takenBack === null) return null;
  const progress = await getActivation(env.DB, takenBack.sessionId);
  return { ...takenBack, name: progress?.name ?? null, by: progress?.takeBack?.by ?? null };
}

/** The email again, from what the session froze; null where none left, or the session does not know it any more. */
async function sentMail(env: Env, sessionId: string, result: LeadResult | null): Promise<SentMail> {
  const state = result?.emailState ?? null;
  if (result === null || state === null || state === 'pending' || state === 'failed') return null;
  const sent = await sessionStub(env, sessionId).sentMail(result.leadId);
  if (sent === null) return null;
  const { template, recipient, mail, sentAt } = sent;
  const compiled = compileTemplate(template);
  if (compiled.kind === 'refused') return null;
  const rendered = compiled.render(recipient, {
    senderName: senderNameOf(mail.from),
    actionUrl: mail.actionUrl,
    // Not the real one: whoever looks at the email must not be able to unsubscribe the lead.
    unsubscribeUrl: mail.publicUrl === null ? null : `${mail.publicUrl}/unsubscribe/preview`,
    postalAddress: mail.postalAddress,
  });
  if (rendered.kind === 'refused') return null;
  const { subject, html, text } = rendered;
  return { sentAt, to: recipient.email, subject, html, text };
}
