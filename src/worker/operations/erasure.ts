/**
 * Erasing one person everywhere: from the runs that know them, from what is kept of imports, suppressions,
 * views and names, from the CRM; in this order, so that whatever breaks off can be asked for again and finds
 * what is left.
 *
 * @module
 */
import { emailHash } from '../../crm/email-hash.ts';
import { normalizeEmail } from '../../shared/email.ts';
import { eraseTraces, findLeadByEmail, personOf } from '../../crm/personal-data.ts';
import { activationsThatMayKnow } from '../../crm/activations.ts';
import { eraseLead, getLead } from '../../crm/leads/lead.ts';
import { sessionStub } from '../../durable/stubs.ts';
import type { ForgottenPerson } from '../../shared/forgotten.ts';
import type { Lead } from '../../shared/schemas/activation.ts';

/**
 * Erases a lead. Ids that runs know of it mean nobody afterwards and are never given out again.
 *
 * @returns false when there is no such lead
 */
export async function eraseEverywhere(env: Env, leadId: number): Promise<boolean> {
  for (;;) {
    const lead = await getLead(env.DB, leadId);
    if (lead === null) return false;
    await forget(env, await personOfLead(env, lead), lead.activatedBy);
    // A run may have activated the lead since it was read: that one is asked in the next turn.
    if (await eraseLead(env.DB, leadId, lead.activatedBy)) return true;
  }
}

/**
 * Erases whoever has this address: the lead, if there is one, and what is kept beside the leads, where
 * somebody can be who never became one or has another address now. Repeating it changes nothing.
 *
 * @returns the id of the lead that was erased, or null
 */
export async function erasePerson(env: Env, address: string): Promise<number | null> {
  const email = normalizeEmail(address);
  const lead = await findLeadByEmail(env.DB, email);
  if (lead !== null) await eraseEverywhere(env, lead.id);
  else await forget(env, { leadId: null, emails: [email], names: [] }, null);
  return lead?.id ?? null;
}

/** A lead as others may mention it; its session is asked how it was mailed. */
export async function personOfLead(env: Env, lead: Lead): Promise<ForgottenPerson> {
  const { id, activatedBy } = lead;
  const frozen = activatedBy === null ? null : await sessionStub(env, activatedBy).frozenRecipient(id);
  return personOf(env.DB, lead, frozen);
}

/** Runs that are asked at the same time. */
const askedAtOnce = 20;

/** Erases a person from everything but the lead. */
async function forget(env: Env, person: ForgottenPerson, activatedBy: string | null): Promise<void> {
  const listed = await activationsThatMayKnow(env.DB, person);
  // The list hears of a start a moment later.
  const sessionIds = [...new Set(activatedBy === null ? listed : [activatedBy, ...listed])];
  for (let start = 0; start < sessionIds.length; start += askedAtOnce) {
    await Promise.all(
      sessionIds
        .slice(start, start + askedAtOnce)
        .map((sessionId) => sessionStub(env, sessionId).forgetPerson(person)),
    );
  }
  await eraseTraces(env.DB, person, (email) => emailHash(env.ADDRESS_HASH_KEY, email));
}
