/**
 * The settings and secrets that a deploy can be given: which are asked for, and what each may be.
 *
 * Owns: names, questions, checks. A value is checked before anything is done on the account.
 *
 * @module
 */
import { UserError } from '../processes.ts';
import { isJurisdiction, jurisdictions } from './options.ts';

interface Setting {
  name: string;
  /** What is wrong with a value, or null; an empty value goes back to the standard and is not checked. */
  fault: (value: string) => string | null;
}

/** Asked at the first deploy where somebody is there to answer. */
export interface Question {
  name: string;
  text: string;
  isSecret: boolean;
  /** The first deploy needs an answer; where nobody is there, it is refused without one. */
  isRequired: boolean;
}

/** Of the first deploy, in the order in which they are asked. */
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

const anything = (): null => null;

function wholeNumber(least: number): Setting['fault'] {
  return (value) =>
    /^\d+$/.test(value) && Number(value) >= least ? null : `is a whole number from ${least} up`;
}

function percent(value: string): string | null {
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 && number <= 100 ? null : 'is a number from 0 to 100';
}

function httpsUrl(value: string): string | null {
  return URL.canParse(value) && new URL(value).protocol === 'https:' ? null : 'is an https:// address';
}

const addressPattern = /^[^\s@<>,"]+@[^\s@<>,"]+\.[^\s@<>,"]+$/;

/** The address in `Name <address>` or `address`, or null. */
export function senderAddress(value: string): string | null {
  const address = (/<([^<>]*)>\s*$/.exec(value)?.[1] ?? value).trim();
  return addressPattern.test(address) ? address : null;
}

/** Domains that nobody can send from: RFC 2606 and RFC 6761. */
export function isReservedDomain(domain: string): boolean {
  return /(?:^|\.)(?:example\.(?:com|net|org)|example|test|invalid|localhost)$/i.test(domain);
}

function roleList(value: string): string | null {
  const bad = value
    .split(',')
    .map((item) => item.trim())
    .find(
      (item) =>
        item !== '' &&
        item !== '*' &&
        !/^(?:group|token):.+$/i.test(item) &&
        !/^\*@[^\s@*]+\.[^\s@*]+$/.test(item) &&
        (!addressPattern.test(item) || item.includes('*')),
    );
  return bad === undefined
    ? null
    : `has "${bad}", which is no address, *@domain, group:Name, token:<client id> or *`;
}

function audiences(value: string): string | null {
  return value.split(',').every((tag) => /^[0-9a-f]{64}$/i.test(tag.trim()))
    ? null
    : 'is the application audience (AUD) tag of 64 hexadecimal digits; several with commas';
}

function sender(value: string): string | null {
  return senderAddress(value) === null ? 'is an address or Name <address>' : null;
}

/** What a deploy takes over when it is given, and keeps when it is not. All are in docs/OPERATIONS.md. */
export const settings: readonly Setting[] = [
  { name: 'ROLE_ADMIN', fault: roleList },
  { name: 'ROLE_OPERATOR', fault: roleList },
  { name: 'ROLE_VIEWER', fault: roleList },
  {
    name: 'ACCESS_TEAM_DOMAIN',
    fault: (value) =>
      /^(?:https:\/\/)?[a-z0-9.-]+\/?$/i.test(value)
        ? null
        : 'is the team domain, such as acme.cloudflareaccess.com',
  },
  { name: 'ACCESS_AUD', fault: audiences },
  { name: 'ACCESS_TOKEN_LABELS', fault: anything },
  { name: 'PUBLIC_URL', fault: httpsUrl },
  { name: 'ACTIVATE_CONFIRM_ABOVE', fault: wholeNumber(0) },
  { name: 'ACTIVATE_UNDO_SECONDS', fault: wholeNumber(0) },
  { name: 'RETENTION_DAYS', fault: wholeNumber(1) },
  {
    name: 'MAIL_PROVIDER',
    fault: (value) =>
      ['resend', 'postmark', 'ses', 'cloudflare'].includes(value)
        ? null
        : 'is resend, postmark, ses or cloudflare',
  },
  { name: 'MAIL_API_URL', fault: httpsUrl },
  { name: 'MAIL_FROM', fault: sender },
  { name: 'MAIL_REPLY_TO', fault: sender },
  { name: 'MAIL_POSTAL_ADDRESS', fault: anything },
  { name: 'MAIL_RATE', fault: (value) => (Number(value) > 0 ? null : 'is a number above 0') },
  { name: 'MAIL_BATCH_MAX', fault: wholeNumber(1) },
  { name: 'MAIL_ACTION_URL', fault: httpsUrl },
  { name: 'MAIL_DAILY_CAP', fault: wholeNumber(1) },
  { name: 'MAIL_MESSAGE_STREAM', fault: anything },
  { name: 'MAIL_SES_REGION', fault: anything },
  { name: 'MAIL_SES_CONFIGURATION_SET', fault: anything },
  { name: 'MAIL_GUARD_MIN_RESULTS', fault: wholeNumber(1) },
  { name: 'MAIL_MAX_BOUNCE_PERCENT', fault: percent },
  { name: 'MAIL_MAX_COMPLAINT_PERCENT', fault: percent },
  {
    name: 'DATA_JURISDICTION',
    fault: (value) => (isJurisdiction(value) ? null : `is ${jurisdictions.join(', ')} or empty`),
  },
];

/** Secrets that are set when they are given. MAIL_API_KEY must be there; ADDRESS_HASH_KEY is made once. */
export const secretNames = ['MAIL_API_KEY', 'RESEND_WEBHOOK_SECRET', 'POSTMARK_WEBHOOK_CREDENTIALS'] as const;

/** What may not be empty: the standard of these is nobody's. */
const neverEmpty: readonly string[] = ['ROLE_ADMIN', 'MAIL_FROM'];

/**
 * An environment variable. One that is set and empty is a word too: a role without anybody, a setting that
 * goes back to its standard.
 */
function readVariable(env: Readonly<Record<string, string | undefined>>, name: string): string | null {
  return env[name]?.trim() ?? null;
}

/**
 * Everything given with the command: environment variables, and behind them DEPLOY_SETTINGS, an object of
 * names and texts. A CI hands it the variables that it has; one that it has not is then not given, where an
 * environment variable would be given empty.
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
        if (typeof value !== 'string') throw new TypeError(`${name} is no text`);
        more.set(name, value.trim());
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(`DEPLOY_SETTINGS is no JSON object of texts (${reason}). Nothing was changed.`);
    }
  }
  return (name) => readVariable(env, name) ?? more.get(name) ?? null;
}

/** What is wrong with the settings that an environment would have, in sentences. */
export function settingFaults(
  vars: Readonly<Record<string, string>>,
  { isProduction, mustHave }: { isProduction: boolean; mustHave: boolean },
): string[] {
  const faults = settings.flatMap(({ name, fault }) => {
    const value = vars[name] ?? '';
    if (value === '') {
      return mustHave && neverEmpty.includes(name) ? [`${name} must not be empty.`] : [];
    }
    const what = fault(value);
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
