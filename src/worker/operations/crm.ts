/**
 * The connected CRM, as a start, a test of the connection and a pull need it.
 *
 * A pull reads one page of a list and writes its contacts as leads with their record ids, tagged with the list. It keeps
 * nothing: the caller has the cursor, and a page may be pulled again. Invariant: no call leaves without a permit of the
 * CRM's gate, which all activations share.
 *
 * @module
 */
import { externalIdOf, type CrmContact, type CrmPort } from '../../crm/port.ts';
import { emailHash } from '../../crm/email.ts';
import { tagLeads } from '../../crm/leads/bulk.ts';
import { upsertLeads } from '../../crm/leads/upsert.ts';
import type { UpsertItem } from '../../crm/leads/upsert-plan.ts';
import { fieldMapping } from '../../crm/connections/settings.ts';
import { crmAccount, type CrmAccount } from '../../durable/crm-account.ts';
import { leadUpsertSchema, type LeadUpsertResult } from '../../shared/schemas/leads.ts';
import type { CrmPulled } from '../../shared/schemas/crm.ts';
import { Refusal, schemaRefusal } from '../http/problem.ts';

/** A CRM that answers later than this is not there. */
const timeoutMs = 20_000;
/** A person waits for the answer. */
const maxWaitMs = 10_000;

/**
 * The port of the CRM that the settings name; null: none is connected.
 *
 * @throws Refusal when they name one and lack something: an activation would leave its leads as they are there
 */
export function requireCrm(env: Env): CrmPort | null {
  const choice = crmAccount(env, Date.now);
  if (choice.kind === 'refused') throw new Refusal('crm_not_configured', choice.message);
  return choice.kind === 'ready' ? choice.port : null;
}

function requireAccount(env: Env): CrmAccount {
  const choice = crmAccount(env, Date.now);
  if (choice.kind === 'ready') return choice;
  const detail = choice.kind === 'refused' ? choice.message : 'No CRM is connected.';
  throw new Refusal('crm_not_configured', detail);
}

/** Makes one harmless call. */
export async function testCrm(env: Env): Promise<{ isOk: boolean; message: string }> {
  const account = requireAccount(env);
  await takePermits(account, 1);
  const outcome = await account.port.test(AbortSignal.timeout(timeoutMs));
  if (outcome.kind === 'set') return { isOk: true, message: `${account.port.title} took the key.` };
  if (outcome.kind === 'throttled') await account.slowDown(outcome.retryAfterMs);
  const message = 'message' in outcome ? outcome.message : 'It asked us to slow down. Try again in a minute.';
  return { isOk: false, message: message === '' ? `${account.port.title} refused the call.` : message };
}

/** Reads a page of a list, and makes leads of it. */
export async function pullPage(
  env: Env,
  { listId, cursor, tag: wantedTag }: { listId: string; cursor: string | null; tag?: string | undefined },
): Promise<CrmPulled> {
  const account = requireAccount(env);
  const { port } = account;
  if (port.readList === undefined)
    throw new Refusal(
      'crm_not_configured',
      `Lists of ${port.title} cannot be pulled; use PUT /crm/leads:batch.`,
    );
  const mapping = fieldMapping(env);
  await takePermits(account, port.callsPerPage ?? 1);
  const fields = Object.keys(mapping);
  const page = await port.readList({ listId, cursor, fields, signal: AbortSignal.timeout(timeoutMs) });
  if (page.kind === 'not_found') throw new Refusal('not_found', page.message);
  if (page.kind === 'auth') throw new Refusal('crm_not_configured', page.message);
  if (page.kind !== 'ok') {
    if (page.kind === 'throttled') await account.slowDown(page.retryAfterMs);
    const detail = 'message' in page ? page.message : `${port.title} asked us to slow down.`;
    throw new Refusal('unavailable', detail);
  }
  const { contacts } = page;
  const items = contacts.map((contact) => toItem(port, mapping, contact));
  const answer = await upsertLeads(env.DB, {
    items,
    nowMs: Date.now(),
    hashEmail: (email) => emailHash(env.ADDRESS_HASH_KEY, email),
  });
  if (answer.kind !== 'ok')
    throw new Refusal('unavailable', 'Others changed the same leads. Pull the page again.');
  const tag = wantedTag ?? `${port.title} list ${listId}`;
  const leadIds = answer.results.flatMap(({ leadId }) => (leadId === null ? [] : [leadId]));
  if (leadIds.length > 0) await tagLeads(env.DB, { leadIds, add: [tag], remove: [], nowMs: Date.now() });
  const countOf = (outcome: LeadUpsertResult['outcome']): number =>
    answer.results.filter((result) => result.outcome === outcome).length;
  return {
    created: countOf('created'),
    updated: countOf('updated'),
    unchanged: countOf('unchanged'),
    refused: countOf('refused'),
    problems: answer.results.flatMap(({ problem }, index) =>
      problem === null ? [] : [{ recordId: contacts[index]?.recordId ?? '', detail: problem.detail }],
    ),
    tag,
    nextCursor: page.next,
  };
}

/** A contact as an upsert; one that does not fit has its problem. An empty field of the CRM leaves ours as it is. */
function toItem(
  { target }: CrmPort,
  mapping: Readonly<Record<string, string>>,
  { recordId, fields }: CrmContact,
): UpsertItem {
  const values = Object.entries(mapping).flatMap(([name, field]): [string, string][] => {
    const value = fields[name]?.trim() ?? '';
    return value === '' ? [] : [[field, value]];
  });
  const parsed = leadUpsertSchema.safeParse({
    ...Object.fromEntries(values),
    externalId: externalIdOf(target, recordId),
  });
  if (parsed.success) return { lead: parsed.data };
  const { message, faults } = schemaRefusal(parsed.error);
  return { problem: { code: 'invalid_request', detail: message, errors: [...faults], leadId: null } };
}

/** Waits for so many slots of the CRM's time line. */
async function takePermits(account: CrmAccount, wantedCount: number): Promise<void> {
  const endsAt = Date.now() + maxWaitMs;
  for (let taken = 0; taken < wantedCount;) {
    const { permitCount, delayMs, retryInMs } = await account.lease(1);
    const waitMs = permitCount > 0 ? delayMs : retryInMs;
    if (Date.now() + waitMs > endsAt)
      throw new Refusal('unavailable', `${account.port.title} takes no call now. Try again in a minute.`);
    taken += permitCount;
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
