/**
 * The settings and secrets that a deploy takes: what the first deploy asks for, and how values are read.
 *
 * Names and checks are those of src/runtime/settings.ts. Every value is checked before anything is changed on the
 * account.
 *
 * @module
 */
import { jurisdictions, senderAddress } from '../../../src/runtime/settings.ts';
import type { Setting } from '../../../src/shared/setting.ts';
import { UserError } from '../processes.ts';
import { allSettings } from '../settings.ts';

/** Asked at the first deploy when a person is at the terminal. */
export interface Question {
  name: string;
  text: string;
  isSecret: boolean;
  /** Without an answer, the first deploy is refused. */
  isRequired: boolean;
}

/** The questions of the first deploy, in their order. */
export const firstQuestions: readonly Question[] = [
  {
    name: 'ROLE_ADMIN',
    text: 'Who may do everything? (addresses, *@your-domain, group:Name; commas between)',
    isSecret: false,
    isRequired: true,
  },
  {
    name: 'ROLE_OPERATOR',
    text: 'Who may import leads and start activations? (empty: nobody else)',
    isSecret: false,
    isRequired: false,
  },
  {
    name: 'ROLE_APPROVER',
    text: 'Who may also approve what others start? (empty: admins only)',
    isSecret: false,
    isRequired: false,
  },
  {
    name: 'ROLE_VIEWER',
    text: 'Who may watch activations? (empty: nobody else)',
    isSecret: false,
    isRequired: false,
  },
  {
    name: 'MAIL_FROM',
    text: 'Sender of the emails (Name <you@your-domain>)',
    isSecret: false,
    isRequired: true,
  },
  {
    name: 'MAIL_POSTAL_ADDRESS',
    text: "Sender's postal address, for the footer",
    isSecret: false,
    isRequired: true,
  },
  {
    name: 'DATA_JURISDICTION',
    text: `Keep all data in one jurisdiction? (${jurisdictions.join(', ')}; empty: no; cannot be changed later)`,
    isSecret: false,
    isRequired: false,
  },
];

export const mailKeyQuestion: Question = {
  name: 'MAIL_API_KEY',
  text: "Key of your mail provider's API",
  isSecret: true,
  isRequired: true,
};

/** True for domains that nobody can send from: RFC 2606 and RFC 6761. */
export function isReservedDomain(domain: string): boolean {
  return /(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost)$/i.test(domain);
}

/** Variables that a deploy takes over when they are given, and keeps when they are not. */
export const settings: readonly Setting[] = allSettings.filter(
  ({ isSecret, takenBy }) => !isSecret && takenBy.includes('deploy'),
);

/** Keys that a deploy makes itself. */
const madeNames: readonly string[] = ['ADDRESS_HASH_KEY', 'RECEIPT_SIGNING_KEY'];

/** Secrets that are set when they are given, and never made. */
export const secretNames: readonly string[] = allSettings
  .filter(
    ({ name, isSecret, takenBy }) => isSecret && takenBy.includes('deploy') && !madeNames.includes(name),
  )
  .map(({ name }) => name);

/** These must have a value: their defaults work for nobody. */
const neverEmpty: readonly string[] = ['ROLE_ADMIN', 'MAIL_FROM'];

/** An environment variable, or null. An empty one is given too: a role without anybody, a setting at its default. */
function readVariable(env: Readonly<Record<string, string | undefined>>, name: string): string | null {
  return env[name]?.trim() ?? null;
}

/**
 * Reads what is given with the command: environment variables, and after them DEPLOY_SETTINGS, a JSON object of
 * names and texts. CI puts the variables that it has into DEPLOY_SETTINGS: as environment variables, those that it
 * has not would be given, and empty.
 *
 * @throws UserError when DEPLOY_SETTINGS cannot be read
 */
export function readGiven(
  env: Readonly<Record<string, string | undefined>>,
): (name: string) => string | null {
  const text = env['DEPLOY_SETTINGS']?.trim() ?? '';
  const more = new Map<string, string>();
  if (text !== '') {
    try {
      for (const [name, value] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
        if (typeof value !== 'string') throw new TypeError(`${name} is not a text`);
        more.set(name, value.trim());
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(`DEPLOY_SETTINGS is not a JSON object of texts (${reason}). Nothing was changed.`);
    }
  }
  return (name) => readVariable(env, name) ?? more.get(name) ?? null;
}

/** What is wrong with a given key of receipts, in a sentence; null: nothing is, or none is given. */
export function signingKeyFault(value: string): string | null {
  const check = allSettings.find(({ name }) => name === 'RECEIPT_SIGNING_KEY')?.check;
  const what = value === '' ? null : (check?.(value) ?? null);
  return what === null ? null : `RECEIPT_SIGNING_KEY ${what}.`;
}

/** The faults of the settings that an environment would have, in sentences. */
export function settingFaults(
  vars: Readonly<Record<string, string>>,
  { isProduction, mustHave }: { isProduction: boolean; mustHave: boolean },
): string[] {
  const faults = settings.flatMap(({ name, check }) => {
    const value = vars[name] ?? '';
    if (value === '') {
      return mustHave && neverEmpty.includes(name) ? [`${name} must not be empty.`] : [];
    }
    const what = check?.(value) ?? null;
    return what === null ? [] : [`${name} ${what}.`];
  });
  const domain = senderAddress(vars['MAIL_FROM'] ?? '')?.split('@')[1];
  if (isProduction && domain !== undefined && isReservedDomain(domain)) {
    faults.push(
      `MAIL_FROM is at ${domain}, which nobody can send from. Set MAIL_FROM to an address of a domain of yours.`,
    );
  }
  return faults;
}
