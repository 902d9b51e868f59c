/**
 * The connected CRM, as a start, the settings page and a pull need it.
 *
 * A pull reads one page of a list and writes its contacts as leads with their record ids, tagged with the list. The caller
 * has the cursor, and a page may be pulled again; only how the pull went is kept, to be shown. Invariant: no call leaves without a permit of the
 * CRM's gate, which all activations share.
 *
 * @module
 */
import { readConnection, writeFields, writePull } from '../../crm/connection-state.ts';
import { externalIdOf, type CrmContact, type CrmPort, type FieldList } from '../../crm/port.ts';
import { emailHash } from '../../crm/email.ts';
import { tagLeads } from '../../crm/leads/bulk.ts';
import { upsertLeads } from '../../crm/leads/upsert.ts';
import type { UpsertItem } from '../../crm/leads/upsert-plan.ts';
import { crmAccount, type CrmAccount } from '../../durable/crm-account.ts';
import { leadUpsertSchema, type LeadUpsertResult } from '../../shared/schemas/leads.ts';
import type { CrmField, CrmPull } from '../../shared/crm.ts';
import { leadFields, type LeadField } from '../../shared/lead-fields.ts';
import type { CrmPulled } from '../../shared/schemas/crm.ts';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
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
  await account.noteAllowance();
  if (outcome.kind === 'set') {
    const missing = await missingStateFields(account);
    const { title } = account.port;
    return missing.length === 0
      ? { isOk: true, message: `${title} took the key.` }
      : {
          isOk: false,
          message: `${title} took the key, but has no field ${missing.join(', ')}. Make it there, or name another one in CRM_ACTIVE and CRM_NOT_ACTIVE.`,
        };
  }
  if (outcome.kind === 'throttled') await account.slowDown(outcome.retryAfterMs);
  const message = 'message' in outcome ? outcome.message : 'It asked us to slow down. Try again in a minute.';
  return { isOk: false, message: message === '' ? `${account.port.title} refused the call.` : message };
}

/** The fields that an activation sets and the CRM does not have; none where it does not say which it has. */
async function missingStateFields(account: CrmAccount): Promise<string[]> {
  const { port } = account;
  if (port.readFields === undefined) return [];
  const answer = await askForFields(account, port.readFields);
  if (answer.kind !== 'ok') return [];
  const names = new Set(answer.fields.map(({ name }) => name));
  return Object.keys(port.target.active).filter((name) => !names.has(name));
}

async function askForFields(
  account: CrmAccount,
  readFields: NonNullable<CrmPort['readFields']>,
): Promise<FieldList> {
  await takePermits(account, account.port.callsForFields ?? 1);
  const answer = await readFields(AbortSignal.timeout(timeoutMs));
  if (answer.kind === 'throttled') await account.slowDown(answer.retryAfterMs);
  return answer;
}

/**
 * The fields that contacts of the CRM have, by label.
 *
 * @returns null where the CRM does not say it
 */
export async function crmFields(env: Env): Promise<CrmField[] | null> {
  const account = requireAccount(env);
  const { port } = account;
  if (port.readFields === undefined) return null;
  const answer = await askForFields(account, port.readFields);
  if (answer.kind === 'ok') return answer.fields.sort((a, b) => a.label.localeCompare(b.label));
  if (answer.kind === 'auth') {
    const detail = `${port.title} does not let the key read its fields: ${answer.message} docs/CRM.md has the rights that it needs.`;
    throw new Refusal('crm_not_configured', detail);
  }
  throw notAnswered(port, answer);
}

/** The fields of a pull: those that were chosen, else those of the settings. */
export function fieldsOf(port: CrmPort, chosen: Fields | null): Fields {
  return chosen ?? port.usualFields;
}

type Fields = Readonly<Record<string, string>>;

/**
 * Chooses the fields of a pull; null: those of the settings again.
 *
 * @throws Refusal for a field that the CRM does not have, and for a choice without an email address
 */
export async function mapFields(env: Env, fields: Fields | null): Promise<{ before: Fields; after: Fields }> {
  const { port } = requireAccount(env);
  if (fields !== null) {
    const fault = mappingFault(fields, port.title, await crmFields(env));
    if (fault !== null) throw new Refusal('invalid_request', fault);
  }
  const known = await readConnection(env.DB, port.target);
  await writeFields(env.DB, port.target, fields);
  return { before: fieldsOf(port, known.fields), after: fieldsOf(port, fields) };
}

/** What is wrong with a choice of fields; null: nothing. The lead fields are there: the schema has checked them. */
function mappingFault(fields: Fields, title: string, known: readonly CrmField[] | null): string | null {
  const targets = Object.values(fields);
  const [strange] = Object.keys(fields).filter(
    (name) => known?.every((field) => field.name !== name) === true,
  );
  if (strange !== undefined) return `${title} has no field “${strange}”. Choose one that it has.`;
  const twice = targets.find((target, at) => targets.indexOf(target) !== at);
  if (twice !== undefined) {
    const { label } = leadFields[twice as LeadField];
    return `Two fields fill the ${label} of a lead. Choose one of them.`;
  }
  return targets.includes('email')
    ? null
    : 'No field fills the email address, and a lead needs one. Choose it.';
}

/**
 * Reads a page of a list, makes leads of it, and notes how it went.
 *
 * @param by - who pulls
 */
export async function pullPage(env: Env, wanted: PullWanted, by: string): Promise<CrmPulled> {
  const { port } = requireAccount(env);
  const { lastPull } = await readConnection(env.DB, port.target);
  const isNext = wanted.cursor !== null && lastPull?.listId === wanted.listId;
  const before = isNext ? lastPull : { created: 0, updated: 0, unchanged: 0, refused: 0 };
  const { created, updated, unchanged, refused } = before;
  const base = { listId: wanted.listId, by, at: Date.now(), created, updated, unchanged, refused };
  try {
    const pulled = await readPage(env, wanted);
    await notePull(env, port, {
      ...base,
      created: created + pulled.created,
      updated: updated + pulled.updated,
      unchanged: unchanged + pulled.unchanged,
      refused: refused + pulled.refused,
      isDone: pulled.nextCursor === null,
      error: null,
    });
    return pulled;
  } catch (error) {
    const message = error instanceof Refusal ? error.message : 'The app had a fault of its own.';
    await notePull(env, port, { ...base, isDone: false, error: message });
    throw error;
  }
}

/** Never throws: the leads are in, and a note of it is for people only. */
async function notePull(env: Env, port: CrmPort, pull: CrmPull): Promise<void> {
  try {
    await writePull(env.DB, port.target, pull);
  } catch (error) {
    logEvent('warn', 'crm_pull_not_noted', { error: faultText(error) });
  }
}

interface PullWanted {
  listId: string;
  cursor: string | null;
  tag?: string | undefined;
}

async function readPage(env: Env, { listId, cursor, tag: wantedTag }: PullWanted): Promise<CrmPulled> {
  const account = requireAccount(env);
  const { port } = account;
  if (port.readList === undefined)
    throw new Refusal(
      'crm_not_configured',
      `Lists of ${port.title} cannot be pulled; use PUT /crm/leads:batch.`,
    );
  const mapping = fieldsOf(port, (await readConnection(env.DB, port.target)).fields);
  await takePermits(account, port.callsPerPage ?? 1);
  const fields = Object.keys(mapping);
  const page = await port.readList({ listId, cursor, fields, signal: AbortSignal.timeout(timeoutMs) });
  if (page.kind === 'not_found') throw new Refusal('not_found', page.message);
  if (page.kind === 'auth') throw new Refusal('crm_not_configured', page.message);
  if (page.kind !== 'ok') {
    if (page.kind === 'throttled') await account.slowDown(page.retryAfterMs);
    throw notAnswered(port, page);
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
  const tagged = { leadIds, add: [tag], remove: [], nowMs: Date.now() };
  const { fullCount } = leadIds.length === 0 ? { fullCount: 0 } : await tagLeads(env.DB, tagged);
  const countOf = (outcome: LeadUpsertResult['outcome']): number =>
    answer.results.filter((result) => result.outcome === outcome).length;
  return {
    created: countOf('created'),
    updated: countOf('updated'),
    unchanged: countOf('unchanged'),
    refused: countOf('refused'),
    untagged: fullCount,
    problems: answer.results.flatMap(({ problem }, index) =>
      problem === null ? [] : [{ recordId: contacts[index]?.recordId ?? '', detail: problem.detail }],
    ),
    tag,
    nextCursor: page.next,
  };
}

/** The refusal where the CRM gave no answer that counts. */
function notAnswered(
  port: CrmPort,
  outcome: Extract<FieldList, { kind: 'throttled' | 'quota' | 'unavailable' }>,
): Refusal {
  const detail = 'message' in outcome ? outcome.message : `${port.title} asked us to slow down.`;
  return new Refusal('unavailable', detail);
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
