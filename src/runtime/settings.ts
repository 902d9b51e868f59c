/**
 * Every setting of the product in one table: its name, check, default and meaning, and which commands accept it.
 *
 * The Worker reads its numbers here. `npm start`, `npm run deploy` and docs/OPERATIONS.md use the same table.
 * A setting that only one mail provider knows is described by that provider; lists of people and the names of
 * Access applications are checked here and read in src/worker/auth.
 * Invariant: a value that fails its check counts as the default, so no text in the environment stops the Worker.
 * The daily cap, the warm-up and the days between two mails are the exceptions: without them more mail would leave than
 * was meant, so nothing starts until they are readable ({@link dailyCapFault}, {@link warmUpFault}, {@link minDaysFault}).
 *
 * @module
 */
import type { GuardLimits } from '../core/batch/delivery-status.ts';
import type { GateConfig } from '../core/limits/rate-limit.ts';
import type { WarmUpPlan } from '../core/limits/warm-up.ts';
import type { Setting } from '../shared/setting.ts';

export type SettingGroup =
  'Roles and sign-in' | 'Mail' | 'Reputation' | 'Activations' | 'Data' | 'Monitoring' | 'Local development';

/** A setting, and where docs/OPERATIONS.md lists it. */
export interface ProductSetting extends Setting {
  group: SettingGroup;
  /** The commands that take the setting from their environment. */
  takenBy: readonly ('start' | 'deploy')[];
  /** A secret that a deployment may go without. */
  isOptional?: true;
}

type Check = NonNullable<Setting['check']>;
type Description = Omit<ProductSetting, 'name'>;

const anywhere = ['start', 'deploy'] as const;

const addressPattern = /^[^\s@<>,"]+@[^\s@<>,"]+\.[^\s@<>,"]+$/;

/** The address in `Name <address>` or `address`; null when there is none. */
export function senderAddress(value: string): string | null {
  const address = (/<([^<>]*)>\s*$/.exec(value)?.[1] ?? value).trim();
  return addressPattern.test(address) ? address : null;
}

const isSender: Check = (value) => (senderAddress(value) === null ? 'is an address or Name <address>' : null);

const isHttpsUrl: Check = (value) =>
  URL.canParse(value) && new URL(value).protocol === 'https:' ? null : 'is an https:// address';

const isCollectorUrl: Check = (value) =>
  isLocalUrl(value)
    ? null
    : isHttpsUrl(value) === null
      ? null
      : 'is an https:// address, or one of this machine';

const isPlainName: Check = (value) =>
  /^[\w-]{1,64}$/.test(value) ? null : 'has letters, digits, _ and - only, 64 at most';

const headerListPattern = /^[!#$%&'*+.^_`|~\w-]+=[^,\r\n]+(?:,\s*[!#$%&'*+.^_`|~\w-]+=[^,\r\n]+)*$/;

/** A number with more than nine digits is a mistake. */
const wholeNumber =
  (least: number): Check =>
  (value) =>
    /^\d{1,9}$/.test(value) && Number(value) >= least ? null : `is a whole number from ${least} up`;

/** `300+20%`: mails on the first day, and the growth of a day. */
const warmUpPattern = /^([1-9]\d{0,4})\+([1-9]\d?|100)%$/;
const warmUpDefault = '300+20%';

const isWarmUp: Check = (value) =>
  value === 'on' || warmUpPattern.test(value) ? null : 'is on, or <start>+<growth>% such as 300+20%';

/** Ten years are a mistake. */
const daysBetween: Check = (value) =>
  /^\d{1,4}$/.test(value) && Number(value) >= 1 && Number(value) <= 3650
    ? null
    : 'is a whole number from 1 to 3650';

const isNumberFromZero: Check = (value) => {
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 ? null : 'is a number from 0 up';
};

const isPercentage: Check = (value) => {
  const number = Number(value);
  return Number.isFinite(number) && number >= 0 && number <= 100 ? null : 'is a number from 0 to 100';
};

const isRoleList: Check = (value) => {
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
};

const isAudienceList: Check = (value) =>
  value.split(',').every((tag) => /^[0-9a-f]{64}$/i.test(tag.trim()))
    ? null
    : 'is the application audience (AUD) tag of 64 hexadecimal digits; several with commas';

const isTeamDomain: Check = (value) =>
  /^(?:https:\/\/)?[a-z0-9.-]+\/?$/i.test(value)
    ? null
    : 'is the team domain, such as acme.cloudflareaccess.com';

/**
 * Jurisdictions that both D1 and Durable Objects know:
 * https://developers.cloudflare.com/d1/configuration/data-location/ and
 * https://developers.cloudflare.com/durable-objects/reference/data-location/
 */
export const jurisdictions = ['eu', 'us', 'fedramp'] as const;
export type Jurisdiction = (typeof jurisdictions)[number];

export function isJurisdiction(value: string): value is Jurisdiction {
  return (jurisdictions as readonly string[]).includes(value);
}

/** 32 bytes as base64url. */
const publicKeyPattern = /^[\w-]{43}$/;

/** A private Ed25519 key as a JSON Web Key (RFC 8037). */
export interface SigningJwk {
  kty: 'OKP';
  crv: 'Ed25519';
  x: string;
  d: string;
}

function parseSigningJwk(text: string): SigningJwk | null {
  try {
    const { kty, crv, x, d } = JSON.parse(text) as Record<string, unknown>;
    const isKey = (part: unknown): part is string => typeof part === 'string' && publicKeyPattern.test(part);
    return kty === 'OKP' && crv === 'Ed25519' && isKey(x) && isKey(d) ? { kty, crv, x, d } : null;
  } catch {
    return null;
  }
}

const isSigningJwk: Check = (value) =>
  parseSigningJwk(value) === null
    ? 'is a private Ed25519 key as a JSON Web Key: {"kty":"OKP","crv":"Ed25519","x":"…","d":"…"}'
    : null;

/** Shorter keys of a hash can be guessed. */
const minHashKeyLength = 16;

const table = {
  ROLE_ADMIN: {
    group: 'Roles and sign-in',
    meaning:
      'Who may do everything: addresses, `*@domain`, `group:Name`, `token:<client id>`, or `*` for everyone that Access lets in; commas between.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isRoleList,
  },
  ROLE_APPROVER: {
    group: 'Roles and sign-in',
    meaning:
      'Who may approve what somebody else has started, and do everything that an operator may; the same form.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isRoleList,
  },
  ROLE_OPERATOR: {
    group: 'Roles and sign-in',
    meaning: 'Who may import leads and start activations; the same form.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isRoleList,
  },
  ROLE_VIEWER: {
    group: 'Roles and sign-in',
    meaning: 'Who may watch activations; the same form.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isRoleList,
  },
  ACCESS_TEAM_DOMAIN: {
    group: 'Roles and sign-in',
    meaning:
      'Domain of the Cloudflare Access team, such as `acme.cloudflareaccess.com`. Nobody gets in without it.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isTeamDomain,
  },
  ACCESS_AUD: {
    group: 'Roles and sign-in',
    meaning: 'Audience tag of the Access application; several with commas. Nobody gets in without it.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isAudienceList,
  },
  ACCESS_TOKEN_LABELS: {
    group: 'Roles and sign-in',
    meaning: 'Names of service tokens in the audit: `<client id>=nightly import`, with commas between.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
  },
  PUBLIC_URL: {
    group: 'Mail',
    meaning:
      'Address at which recipients reach the public pages, for the unsubscribe link. `npm run deploy` sets it.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isHttpsUrl,
  },
  MAIL_PROVIDER: {
    group: 'Mail',
    // Only src/mail knows the names, so the check is there.
    meaning: 'Which mail provider sends; [MAIL.md](MAIL.md#connect-a-provider) has their names.',
    default: 'resend',
    isSecret: false,
    takenBy: anywhere,
  },
  MAIL_API_URL: {
    group: 'Mail',
    meaning:
      "Address of the provider's API; empty: its public one. `npm start` uses a stand-in that sends nothing while it is not set.",
    default: 'https://api.resend.com',
    isSecret: false,
    takenBy: anywhere,
    check: isHttpsUrl,
  },
  MAIL_API_KEY: {
    group: 'Mail',
    meaning: "Key of the mail provider's API.",
    default: null,
    isSecret: true,
    takenBy: anywhere,
  },
  MAIL_FROM: {
    group: 'Mail',
    meaning: 'Sender of the mails: `Name <address>` or an address.',
    default: 'Lead Activation <hello@example.com>',
    isSecret: false,
    takenBy: anywhere,
    check: isSender,
  },
  MAIL_REPLY_TO: {
    group: 'Mail',
    meaning: "Address for replies; empty: the sender's.",
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isSender,
  },
  MAIL_POSTAL_ADDRESS: {
    group: 'Mail',
    meaning: "The sender's postal address, for the footer that commercial mail must have.",
    default: null,
    isSecret: false,
    takenBy: anywhere,
  },
  MAIL_ACTION_URL: {
    group: 'Mail',
    meaning: 'Where the button in a mail leads; empty: the mail has no button and asks for a reply.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isHttpsUrl,
  },
  MAIL_RATE: {
    group: 'Mail',
    meaning:
      'Calls a second to the mail API, over all activations; mails a second with Amazon SES. Resend allows 10 per team; 8 leaves room for people.',
    default: '8',
    isSecret: false,
    takenBy: anywhere,
    check: (value) => (Number.isFinite(Number(value)) && Number(value) > 0 ? null : 'is a number above 0'),
  },
  MAIL_BATCH_MAX: {
    group: 'Mail',
    meaning: 'Leads in one call to the mail API; empty: as many as the provider takes.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: (value) => (/^[1-9]\d*$/.test(value) ? null : 'is a whole number from 1 up'),
  },
  MAIL_DAILY_CAP: {
    group: 'Reputation',
    meaning:
      'Mails in one UTC day from one domain, over all activations, while the domain is new; empty: no cap. While it cannot be read, no mail leaves.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: wholeNumber(1),
  },
  MAIL_WARM_UP: {
    group: 'Reputation',
    meaning:
      'Warms up each domain that mail comes from: `on` (300 mails on the first day, 20 % more each day) or `<start>+<growth>%`; empty: off. Declare a domain that is warm already on the settings page. While it cannot be read, no mail leaves.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isWarmUp,
  },
  MAIL_MIN_DAYS_BETWEEN: {
    group: 'Reputation',
    meaning:
      'A lead that we have mailed within so many days is skipped as `recently_mailed`; empty: no guard. While it cannot be read, no activation starts.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: daysBetween,
  },
  MAIL_GUARD_MIN_RESULTS: {
    group: 'Reputation',
    meaning: 'An activation can pause because of bounces or complaints after this many results.',
    default: '500',
    isSecret: false,
    takenBy: anywhere,
    check: isNumberFromZero,
  },
  MAIL_MAX_BOUNCE_PERCENT: {
    group: 'Reputation',
    meaning: 'It pauses at this rate of bounces. Resend pauses whole accounts at 4 %.',
    default: '4',
    isSecret: false,
    takenBy: anywhere,
    check: isPercentage,
  },
  MAIL_MAX_COMPLAINT_PERCENT: {
    group: 'Reputation',
    meaning: 'It pauses at this rate of complaints. Resend pauses whole accounts at 0.08 %.',
    default: '0.08',
    isSecret: false,
    takenBy: anywhere,
    check: isPercentage,
  },
  ACTIVATE_CONFIRM_ABOVE: {
    group: 'Activations',
    meaning: 'Above this many leads, a person types the count before an activation starts.',
    default: '1000',
    isSecret: false,
    takenBy: anywhere,
    check: wholeNumber(0),
  },
  APPROVAL_ABOVE: {
    group: 'Activations',
    meaning:
      'Above this many leads, another person has to approve an activation before anything is done; 0: always; empty: never. While it cannot be read, no activation starts.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: wholeNumber(0),
  },
  ACTIVATE_UNDO_SECONDS: {
    group: 'Activations',
    meaning:
      'Seconds after its start in which an activation can be undone; no mail leaves before. 0: it begins at once. At most 600.',
    default: '10',
    isSecret: false,
    takenBy: anywhere,
    check: wholeNumber(0),
  },
  TAKE_BACK_DAYS: {
    group: 'Activations',
    meaning:
      'Days after its end for which an activation can be taken back: leads that it set active become new again. Never longer than RETENTION_DAYS. 0: it cannot be.',
    default: '30',
    isSecret: false,
    takenBy: anywhere,
    check: isNumberFromZero,
  },
  RETENTION_DAYS: {
    group: 'Data',
    meaning:
      'Days after its end for which an activation knows whom it mailed, and for which an import keeps the rows it did not take.',
    default: '30',
    isSecret: false,
    takenBy: anywhere,
    check: isNumberFromZero,
  },
  DATA_JURISDICTION: {
    group: 'Data',
    meaning:
      'Jurisdiction in which all data is kept: `eu`, `us` or `fedramp`. Chosen at creation; it cannot be changed.',
    default: null,
    isSecret: false,
    takenBy: ['deploy'],
    check: (value) => (isJurisdiction(value) ? null : `is ${jurisdictions.join(', ')} or empty`),
  },
  ADDRESS_HASH_KEY: {
    group: 'Data',
    meaning:
      'Key of the hash under which suppressions are stored; made once. A change of it forgets every suppression.',
    default: null,
    isSecret: true,
    takenBy: anywhere,
    check: (value) =>
      value.length >= minHashKeyLength ? null : `has at least ${minHashKeyLength} characters`,
  },
  RECEIPT_SIGNING_KEY: {
    group: 'Data',
    meaning:
      'Ed25519 key that receipts are signed with, as a JSON Web Key. `npm start` and the first `npm run deploy` make one; `npm run deploy -- --rotate-receipt-key` makes the next.',
    default: null,
    isSecret: true,
    takenBy: anywhere,
    check: isSigningJwk,
  },
  RECEIPT_PUBLIC_KEYS: {
    group: 'Data',
    meaning:
      'Public keys of receipts, the present one and all before, with commas between. Each deploy keeps it; only a move to another account needs it.',
    default: null,
    isSecret: false,
    takenBy: ['deploy'],
    check: (value) =>
      value.split(',').every((key) => publicKeyPattern.test(key.trim()))
        ? null
        : 'is a list of public keys of 43 characters each, with commas between',
  },
  OTLP_ENDPOINT: {
    group: 'Monitoring',
    meaning:
      'Collector of traces: the address before `/v1/traces`, such as `https://otlp-gateway-prod-eu-west-2.grafana.net/otlp`. Empty: no traces.',
    default: null,
    isSecret: false,
    takenBy: anywhere,
    check: isCollectorUrl,
  },
  OTLP_HEADERS: {
    group: 'Monitoring',
    meaning: 'Headers that the collector asks for: `name=value`, with commas between.',
    default: null,
    isSecret: true,
    isOptional: true,
    takenBy: anywhere,
    check: (value) => (headerListPattern.test(value) ? null : 'is name=value, with commas between'),
  },
  OTLP_SAMPLE_PERCENT: {
    group: 'Monitoring',
    meaning:
      'So many of a hundred requests begin a trace. One whose caller sends `traceparent` follows the caller.',
    default: '10',
    isSecret: false,
    takenBy: anywhere,
    check: isPercentage,
  },
  LOGS_DESTINATION: {
    group: 'Monitoring',
    meaning:
      'Name of the OpenTelemetry destination in the Cloudflare dashboard that gets the log. Empty: none.',
    default: null,
    isSecret: false,
    takenBy: ['deploy'],
    check: isPlainName,
  },
  METRICS_DATASET: {
    group: 'Monitoring',
    meaning: 'Dataset of Workers Analytics Engine that gets a point for each batch. Empty: none.',
    default: null,
    isSecret: false,
    takenBy: ['deploy'],
    check: isPlainName,
  },
  LOCAL_PERSON: {
    group: 'Local development',
    meaning: 'Address of the person who is signed in without Access. No deploy carries it.',
    default: null,
    isSecret: false,
    takenBy: ['start'],
  },
  WEBHOOKS_ALLOW_LOCAL: {
    group: 'Local development',
    meaning:
      '1: events may go to http addresses and to private networks, such as this machine. No deploy carries it.',
    default: null,
    isSecret: false,
    takenBy: ['start'],
    check: (value) => (value === '1' ? null : 'is 1 or empty'),
  },
  MAIL_INBOX_URL: {
    group: 'Local development',
    meaning: "Page that shows the stand-in's mails, linked from the app. `npm start` sets it.",
    default: null,
    isSecret: false,
    takenBy: [],
  },
} satisfies Record<string, Description>;

export type SettingName = keyof typeof table;

/** Values as the environment has them; `Env` is one. */
export type SettingValues = Readonly<Partial<Record<SettingName, string>>>;

/** The product's settings, in the order in which docs/OPERATIONS.md lists them. */
export const settings: readonly ProductSetting[] = Object.entries<Description>(table).map(
  ([name, description]) => ({ name, ...description }),
);

/** The trimmed value, or null when it is empty or fails its check. */
function validText(env: SettingValues, name: SettingName): string | null {
  const text = env[name]?.trim() ?? '';
  const { check }: Description = table[name];
  return text === '' || (check?.(text) ?? null) !== null ? null : text;
}

function optionalNumber(env: SettingValues, name: SettingName): number | null {
  const text = validText(env, name);
  return text === null ? null : Number(text);
}

type NumericSetting = {
  [Name in SettingName]: (typeof table)[Name]['default'] extends string ? Name : never;
}[SettingName];

function number(env: SettingValues, name: NumericSetting): number {
  return optionalNumber(env, name) ?? Number(table[name].default);
}

/** Days for which an activation that ended knows whom it mailed; at least 0. */
export function retentionDays(env: SettingValues): number {
  return number(env, 'RETENTION_DAYS');
}

/** Days after its end for which an activation can be taken back; at least 0. */
export function takeBackDays(env: SettingValues): number {
  return number(env, 'TAKE_BACK_DAYS');
}

/** Above this many leads, a person types the count before a start. */
export function confirmAbove(env: SettingValues): number {
  return number(env, 'ACTIVATE_CONFIRM_ABOVE');
}

/** An activation with a longer wait would seem to hang. */
const maxUndoSeconds = 600;

/** Milliseconds in which a start can be undone; 0: the activation begins at once. */
export function undoMs(env: SettingValues): number {
  return Math.min(number(env, 'ACTIVATE_UNDO_SECONDS'), maxUndoSeconds) * 1_000;
}

/** The rate limit of the mail account. */
export function gateConfig(env: SettingValues): GateConfig {
  return { maxRatePerSecond: number(env, 'MAIL_RATE') };
}

/** The rates of bounces and complaints at which a session pauses. */
export function guardLimits(env: SettingValues): GuardLimits {
  return {
    minResultCount: number(env, 'MAIL_GUARD_MIN_RESULTS'),
    maxBouncePercent: number(env, 'MAIL_MAX_BOUNCE_PERCENT'),
    maxComplaintPercent: number(env, 'MAIL_MAX_COMPLAINT_PERCENT'),
  };
}

/** True for a setting that is set and fails its check. */
function isUnreadable(
  env: SettingValues,
  name: 'MAIL_DAILY_CAP' | 'MAIL_WARM_UP' | 'MAIL_MIN_DAYS_BETWEEN' | 'APPROVAL_ABOVE',
): boolean {
  return (env[name]?.trim() ?? '') !== '' && validText(env, name) === null;
}

/**
 * Names of the settings that are set and fail their check, so that the default counts in their place. In local
 * development an address of this machine is none of them.
 */
export function unreadableSettings(env: SettingValues): SettingName[] {
  return (Object.keys(table) as SettingName[]).filter((name) => {
    const { check }: Description = table[name];
    const text = env[name]?.trim() ?? '';
    return text !== '' && !isLocalUrl(text) && (check?.(text) ?? null) !== null;
  });
}

function isLocalUrl(text: string): boolean {
  return URL.canParse(text) && ['localhost', '127.0.0.1', '[::1]'].includes(new URL(text).hostname);
}

/** Mails in one day from one domain; null: no cap. A cap that cannot be read counts as the lowest one. */
export function dailyCap(env: SettingValues): number | null {
  return dailyCapFault(env) === null ? optionalNumber(env, 'MAIL_DAILY_CAP') : 1;
}

/** What is wrong with a daily cap that is set and cannot be read, for people; null: nothing is. No mail may leave. */
export function dailyCapFault(env: SettingValues): string | null {
  return isUnreadable(env, 'MAIL_DAILY_CAP')
    ? 'MAIL_DAILY_CAP must be a whole number from 1 up, or empty for no cap.'
    : null;
}

/** How domains are warmed up; null: they are not. A setting that cannot be read counts as the slowest one. */
export function warmUpPlan(env: SettingValues): WarmUpPlan | null {
  const text = warmUpFault(env) === null ? validText(env, 'MAIL_WARM_UP') : '1+1%';
  if (text === null) return null;
  const [, start, growth] = warmUpPattern.exec(text === 'on' ? warmUpDefault : text) ?? [];
  const { maxBouncePercent, maxComplaintPercent } = guardLimits(env);
  return {
    startCount: Number(start),
    growthPercent: Number(growth),
    ...{ maxBouncePercent, maxComplaintPercent, dailyCap: dailyCap(env) },
  };
}

/** What is wrong with a warm-up that is set and cannot be read, for people; null: nothing is. No mail may leave. */
export function warmUpFault(env: SettingValues): string | null {
  return isUnreadable(env, 'MAIL_WARM_UP')
    ? 'MAIL_WARM_UP must be on, or <start>+<growth>% such as 300+20%, or empty for no warm-up.'
    : null;
}

/**
 * A lead that we mailed within so many days is skipped; null: there is no guard. Unreadable counts as the longest time,
 * so that nobody is mailed who was to be left alone.
 */
export function minDaysBetween(env: SettingValues): number | null {
  return minDaysFault(env) === null ? optionalNumber(env, 'MAIL_MIN_DAYS_BETWEEN') : 3650;
}

/** What is wrong with the days between two mails that are set and cannot be read; null: nothing is. */
export function minDaysFault(env: SettingValues): string | null {
  return isUnreadable(env, 'MAIL_MIN_DAYS_BETWEEN')
    ? 'MAIL_MIN_DAYS_BETWEEN must be a whole number from 1 to 3650, or empty for no guard.'
    : null;
}

/** Above this many leads, another person has to approve; null: nobody has to. Unreadable: everything has to be approved. */
export function approvalAbove(env: SettingValues): number | null {
  return approvalFault(env) === null ? optionalNumber(env, 'APPROVAL_ABOVE') : 0;
}

/** What is wrong with the number above which an approval is needed, which is set and cannot be read; null: nothing is. */
export function approvalFault(env: SettingValues): string | null {
  return isUnreadable(env, 'APPROVAL_ABOVE')
    ? 'APPROVAL_ABOVE must be a whole number from 0 up, or empty where nobody has to approve.'
    : null;
}

/** The most leads in one call to the mail API; null: as many as the provider takes. */
export function maxBatchLeadCount(env: SettingValues): number | null {
  return optionalNumber(env, 'MAIL_BATCH_MAX');
}

/** How the mails of a session are put together; null where nothing is set. */
export function mailTexts(env: SettingValues): {
  from: string;
  replyTo: string | null;
  actionUrl: string | null;
  postalAddress: string | null;
  publicUrl: string | null;
} {
  // Not checked here: a local PUBLIC_URL is http, and a start reports a faulty sender itself.
  const textOf = (name: SettingName): string | null => env[name]?.trim() || null;
  return {
    from: textOf('MAIL_FROM') ?? '',
    replyTo: textOf('MAIL_REPLY_TO'),
    actionUrl: textOf('MAIL_ACTION_URL'),
    postalAddress: textOf('MAIL_POSTAL_ADDRESS'),
    publicUrl: textOf('PUBLIC_URL')?.replace(/\/+$/, '') ?? null,
  };
}

/** True where events may go to addresses that are not public; in local development only. */
export function allowsLocalWebhooks(env: SettingValues): boolean {
  return validText(env, 'WEBHOOKS_ALLOW_LOCAL') !== null;
}

/** Where traces are sent, and how many are kept. */
export interface TraceTarget {
  /** Without `/v1/traces`. */
  url: string;
  headers: Record<string, string>;
  samplePercent: number;
}

/** Where traces are sent; null: nowhere. */
export function traceTarget(env: SettingValues): TraceTarget | null {
  const url = validText(env, 'OTLP_ENDPOINT');
  if (url === null) return null;
  const headers = (validText(env, 'OTLP_HEADERS') ?? '').split(',').flatMap((pair) => {
    const [name = '', ...value] = pair.trim().split('=');
    return name === '' ? [] : [[name, value.join('=')] as const];
  });
  return {
    url: url.replace(/\/+$/, ''),
    headers: Object.fromEntries(headers),
    samplePercent: number(env, 'OTLP_SAMPLE_PERCENT'),
  };
}

/** The key that receipts are signed with, or null: no receipt can be made then. */
export function receiptSigningJwk(env: SettingValues): SigningJwk | null {
  return parseSigningJwk(env.RECEIPT_SIGNING_KEY?.trim() ?? '');
}

/** The public keys of receipts, as base64url. */
export function receiptPublicKeys(env: SettingValues): string[] {
  return (
    validText(env, 'RECEIPT_PUBLIC_KEYS')
      ?.split(',')
      .map((key) => key.trim()) ?? []
  );
}

/**
 * Names of the secrets that are missing or too short. A Worker that lacks one refuses every request, so that
 * the fault shows at once and not in the middle of a session.
 */
export function missingSecrets(env: SettingValues): SettingName[] {
  return (['MAIL_API_KEY', 'ADDRESS_HASH_KEY'] as const).filter((name) => validText(env, name) === null);
}
