/**
 * Erasing one lead everywhere: from the run that knows its address, from what is kept of imports, from the
 * CRM, in this order, so that whatever breaks off can be asked for again and finds what is left.
 *
 * @module
 */
import { emailHash } from '../crm/email-hash.ts';
import { normalizeEmail } from '../crm/email.ts';
import { eraseTraces, findLeadByEmail } from '../crm/erase.ts';
import { eraseLead, getLead } from '../crm/leads.ts';
import { sessionStub } from '../durable/stubs.ts';

/**
 * Erases a lead. Only the run that set it active froze its address (`activated_by`); others that it was
 * in the audience of know its id, which means nobody afterwards and is never given out again.
 *
 * @returns false when there is no such lead
 */
export async function eraseEverywhere(env: Env, leadId: number): Promise<boolean> {
  for (;;) {
    const lead = await getLead(env.DB, leadId);
    if (lead === null) return false;
    if (lead.activatedBy !== null) {
      await sessionStub(env, lead.activatedBy).eraseLead(leadId);
    }
    await eraseTraces(env.DB, lead.email, emailHash(env.ADDRESS_HASH_KEY, lead.email));
    // A run may have activated the lead since it was read: that one is asked in the next turn.
    if (await eraseLead(env.DB, leadId, lead.activatedBy)) return true;
  }
}

/**
 * Erases whoever has this address: the lead, if there is one, and what is kept beside the leads, where
 * somebody can be who never became one. Repeating it changes nothing.
 *
 * @returns the id of the lead that was erased, or null
 */
export async function erasePerson(env: Env, address: string): Promise<number | null> {
  const email = normalizeEmail(address);
  const lead = await findLeadByEmail(env.DB, email);
  if (lead !== null) await eraseEverywhere(env, lead.id);
  await eraseTraces(env.DB, email, emailHash(env.ADDRESS_HASH_KEY, email));
  return lead?.id ?? null;
}
