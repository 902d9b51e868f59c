/**
 * The connected CRM, as a start needs it.
 *
 * @module
 */
import { crmAccount } from '../../durable/crm-account.ts';
import type { CrmPort } from '../../crm/port.ts';
import { Refusal } from '../http/problem.ts';

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
