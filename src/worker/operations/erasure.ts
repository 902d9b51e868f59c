/**
 * Erasing one person everywhere: first from the sessions that know them, then from imports, suppressions, views and
 * names, and last from the leads. The lead goes last, so that an erasure that broke off can be repeated and finds the
 * rest.
 *
 * @module
 */
import { emailHash, normalizeEmail } from '../../crm/email.ts';
import { eraseTraces, findLeadByEmail, personOf } from '../../crm/personal-data.ts';
import { activationsThatMayKnow } from '../../crm/activations.ts';
import { activatedRevision, eraseLead, getLead } from '../../crm/leads/lead.ts';
import { sessionStub } from '../../durable/stubs.ts';
import type { ForgottenPerson } from '../../shared/forgotten.ts';
import type { Lead } from '../../shared/schemas/leads.ts';

/**
 * Erases a lead. Sessions keep its id, which names no lead afterwards and is never given out again.
 *
 * @returns false when there is no such lead
 */
export async function eraseEverywhere(env: Env, leadId: number): Promise<boolean> {
  for (;;) {
    const activatedAt = await activatedRevision(env.DB, leadId);
    const lead = await getLead(env.DB, leadId);
    if (lead === null || activatedAt === null) return false;
    await forget(env, await personOfLead(env, lead), lead.activatedBy);
    // A session may have activated the lead since, and given it back. The next round erases it there too.
    if (await eraseLead(env.DB, leadId, activatedAt)) return true;
  }
}

/**
 * Erases the person with this address: the lead, if there is one, and the data beside the leads. That may be of a
 * person who never became a lead or has another address now. A repeat changes nothing.
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

/** The names and addresses by which data may mention a lead, also those that its session mailed. */
export async function personOfLead(env: Env, lead: Lead): Promise<ForgottenPerson> {
  const { id, activatedBy } = lead;
  const frozen = activatedBy === null ? null : await sessionStub(env, activatedBy).frozenRecipient(id);
  return personOf(env.DB, lead, frozen);
}

/** Sessions that are called at the same time. */
const askedAtOnce = 20;

/** Erases a person from everything but the lead. */
async function forget(env: Env, person: ForgottenPerson, activatedBy: string | null): Promise<void> {
  const listed = await activationsThatMayKnow(env.DB, person);
  // The list may not have a session that has just started.
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
