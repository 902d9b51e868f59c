/**
 * All foreign CRMs, and the choice of the one that is connected.
 *
 * Owns the list and the checks that they share. Calls nobody. A fault of the settings is reported in a sentence before an
 * activation starts.
 *
 * @module
 */
import { type Setting, textSetting } from '../../shared/setting.ts';
import { targetFault } from '../../core/events/target.ts';
import type { CrmPort } from '../port.ts';
import { anyHttp } from './any-http.ts';
import type { CrmEffects } from './call.ts';
import type { CrmConnection } from './connection.ts';
import { hubspot } from './hubspot.ts';
import { salesforce } from './salesforce.ts';
import { crmSettings, parseFields } from './settings.ts';
import { twenty } from './twenty.ts';

/** In the order in which they are listed for people. */
export const crmConnections: readonly CrmConnection[] = [hubspot, salesforce, twenty, anyHttp];

const names = crmConnections.map(({ name }) => name);

/** The check of `CRM_PROVIDER`. */
export const isCrmName: NonNullable<Setting['check']> = (value) =>
  names.includes(value) ? null : `is ${names.join(', ')} or empty`;

export type CrmChoice =
  /** None is connected. */
  | { kind: 'none' }
  | { kind: 'ready'; port: CrmPort }
  /** `setting` is at fault; `message` is for a person. */
  | { kind: 'refused'; setting: string; message: string };

/**
 * Makes the port that the settings name, or says what they lack.
 *
 * @param allowLocal - of local development: the CRM may be on this machine
 */
export function chooseCrm(env: object, effects: CrmEffects, allowLocal: boolean): CrmChoice {
  const text = (name: string): string => textSetting(env, name);
  const name = text('CRM_PROVIDER');
  if (name === '') return { kind: 'none' };
  const refuse = (setting: string, message: string): CrmChoice => ({ kind: 'refused', setting, message });
  const connection = crmConnections.find((each) => each.name === name);
  if (connection === undefined)
    return refuse('CRM_PROVIDER', `CRM_PROVIDER must be one of ${names.join(', ')}, or empty for none.`);
  for (const { name: setting, check } of crmSettings) {
    if (setting === 'CRM_PROVIDER' || setting === 'CRM_API_URL') continue;
    const value = text(setting);
    const fault = value === '' ? null : (check?.(value) ?? null);
    if (fault !== null) return refuse(setting, `${setting} must be a value that ${fault}.`);
  }
  const apiUrl = (text('CRM_API_URL') || (connection.apiUrl ?? '')).replace(/\/+$/, '');
  if (apiUrl === '')
    return refuse('CRM_API_URL', `CRM_API_URL must be the address of ${connection.title}'s API.`);
  const fault = targetFault(apiUrl, allowLocal);
  if (fault !== null) return refuse('CRM_API_URL', `CRM_API_URL cannot be called. ${fault}`);
  const apiKey = text('CRM_API_KEY');
  if (apiKey === '') return refuse('CRM_API_KEY', `The key of ${connection.title} is missing: CRM_API_KEY.`);
  const { field } = connection;
  const active = parseFields(text('CRM_ACTIVE')) ?? { [field]: 'active' };
  const undone = parseFields(text('CRM_NOT_ACTIVE')) ?? { [field]: 'new' };
  if (Object.keys(active).sort().join() !== Object.keys(undone).sort().join()) {
    return refuse(
      'CRM_NOT_ACTIVE',
      'CRM_NOT_ACTIVE must name the same fields as CRM_ACTIVE, or an undo would leave some.',
    );
  }
  const limit = (setting: string, most: number): number => Math.min(most, Number(text(setting)) || most);
  // The rate of our own form is the operator's to know; those of the others are their rules.
  const ratePerSecond =
    connection === anyHttp
      ? Number(text('CRM_RATE')) || connection.ratePerSecond
      : limit('CRM_RATE', connection.ratePerSecond);
  return {
    kind: 'ready',
    port: connection.port(
      {
        ...{ apiUrl, apiKey, clientId: text('CRM_CLIENT_ID'), title: connection.title, ratePerSecond },
        maxBatch: limit('CRM_BATCH_MAX', connection.maxBatch),
        usualFields: parseFields(text('CRM_FIELDS')) ?? connection.usualFields,
        target: {
          provider: name,
          host: new URL(apiUrl).host,
          source: text('CRM_SOURCE') || connection.source,
          ...{ active, undone },
        },
      },
      effects,
    ),
  };
}
