/**
 * The settings of the connection to a foreign CRM, and how its values are written.
 *
 * @module
 */
import { crmFieldName } from '../../shared/crm.ts';
import type { Setting } from '../../shared/setting.ts';
import { leadFieldNames } from '../../shared/lead-fields.ts';

/** `field=value` pairs with commas between; null when it is not that. */
export function parseFields(text: string): Readonly<Record<string, string>> | null {
  const pairs = text.split(',').map((pair): [string, string] | null => {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at).trim();
    return at > 0 && crmFieldName.test(name) ? [name, pair.slice(at + 1).trim()] : null;
  });
  if (pairs.some((pair) => pair === null)) return null;
  return Object.fromEntries(pairs.filter((pair) => pair !== null));
}

const isFields: NonNullable<Setting['check']> = (value) =>
  parseFields(value) === null ? 'is field=value; several with commas between' : null;

const setting = (name: string, meaning: string, check?: Setting['check']): Setting => ({
  ...{ name, meaning, isSecret: false, default: null },
  ...(check === undefined ? {} : { check }),
});

/** In the order in which docs/OPERATIONS.md lists them. */
export const crmSettings: readonly Setting[] = [
  setting(
    'CRM_PROVIDER',
    'The CRM in which leads are set active too; [CRM.md](CRM.md) has the names. Empty: none.',
  ),
  setting('CRM_API_URL', "Address of the CRM's API; empty: its public one.", (value) =>
    URL.canParse(value) && new URL(value).protocol === 'https:' ? null : 'is an https:// address',
  ),
  { ...setting('CRM_API_KEY', "Key of the CRM's API."), isSecret: true },
  setting(
    'CRM_CLIENT_ID',
    'Salesforce only: the consumer key of the connected app, whose secret is CRM_API_KEY. Empty: CRM_API_KEY is a token.',
  ),
  setting(
    'CRM_ACTIVE',
    'What an active record has: `field=value`, several with commas between. Empty: the field `lead_activation` (or as the CRM spells it) is `active`.',
    isFields,
  ),
  setting(
    'CRM_NOT_ACTIVE',
    'What a record has again that is not active any more; the same fields. Empty: it is `new`.',
    isFields,
  ),
  setting(
    'CRM_SOURCE',
    "The system in our leads' external ids whose records are in this CRM; empty: the CRM's name.",
    (value) => (/^[a-z0-9][a-z0-9_.-]{0,39}$/.test(value) ? null : 'is a name of small letters and digits'),
  ),
  setting(
    'CRM_FIELDS',
    'Fields of the CRM and the lead fields that a pulled list fills from them: `crmField=leadField` with commas between. Fields that are chosen in *Settings → CRM* come before it. Empty: e-mail, names and company.',
    (value) => {
      const fields = parseFields(value);
      const known: readonly string[] = leadFieldNames;
      const strange = Object.values(fields ?? {}).find((field) => !known.includes(field));
      if (fields === null) return 'is crmField=leadField; several with commas between';
      return strange === undefined ? null : `has "${strange}", which is no lead field`;
    },
  ),
  setting('CRM_RATE', "Calls a second to the CRM, over all activations; empty: the CRM's limit.", (value) =>
    Number.isFinite(Number(value)) && Number(value) > 0 ? null : 'is a number above 0',
  ),
  setting('CRM_BATCH_MAX', 'Records in one call to the CRM; empty: as many as it takes.', (value) =>
    /^[1-9]\d{0,3}$/.test(value) ? null : 'is a whole number from 1 up',
  ),
];
