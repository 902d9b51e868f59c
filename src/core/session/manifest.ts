/**
 * Makes the manifest of an activation from everything that a start has resolved, and tells two manifests apart.
 *
 * The only place that says what a manifest holds. What must not be in it is what may differ between a preview and the
 * start that means the same: times, the session's id, the activation's name, the speed and the size of batches.
 *
 * @module
 */
import type { LeadIdDigest } from '../../shared/lead-id-digest.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import {
  manifestHash,
  type HashedManifest,
  type Manifest,
  type ManifestAudience,
  type ManifestDifference,
  type ManifestWhen,
} from '../../shared/manifest.ts';
import type { FrozenTemplate } from '../../shared/recipient.ts';
import type { Audience } from '../../shared/schemas/activation.ts';
import type { AudienceFilter } from '../../shared/schemas/leads.ts';
import { sha256Hex } from '../../shared/sha256.ts';
import { uniqueSorted } from '../../shared/unique-sorted.ts';
import type { SessionSpec } from './session.ts';

/** A start as far as it is resolved: everything that it will do. */
export interface ResolvedStart {
  owner: string;
  audience: Audience;
  /** Keyed hash of the audience's search words; null where there are none. */
  searchHash: string | null;
  /** The audience as it is now. */
  resolved: Pick<ManifestAudience, 'maxLeadId' | 'total' | 'members' | 'outcomes'>;
  template: FrozenTemplate;
  mail: SessionSpec['mail'];
  provider: string;
  crm?: SessionSpec['crm'];
  dailyCap: number | null;
  minDaysBetween: number | null;
  /** The parts of the start request that say when it leaves. */
  when: Partial<ManifestWhen>;
}

/** What a start request may say about when it leaves; null where it does not. */
const unsaidWhen = { schedule: null, window: null, waves: null };

/** The manifest of a start, with its hash. The same start makes the same one, whenever and wherever it is made. */
export async function makeManifest(start: ResolvedStart): Promise<HashedManifest> {
  const { audience, template, mail, resolved } = start;
  const filter = 'filter' in audience ? withoutSearch(audience.filter) : null;
  const excludedIds = 'filter' in audience ? (audience.excludedIds ?? []) : [];
  const manifest: Manifest = {
    version: 1,
    madeBy: start.owner,
    audience: {
      words: describeAudience(audience),
      filter,
      searchHash: start.searchHash,
      picked: 'leadIds' in audience ? await digestOf(audience.leadIds) : null,
      excluded: excludedIds.length === 0 ? null : await digestOf(excludedIds),
      ...resolved,
    },
    template: {
      id: template.id,
      version: template.version,
      name: template.name,
      sha256: await templateHash(template),
    },
    mail: {
      provider: start.provider,
      from: mail.from,
      replyTo: mail.replyTo,
      postalAddress: mail.postalAddress,
      actionUrl: mail.actionUrl,
      publicUrl: mail.publicUrl,
    },
    ...(start.crm === undefined
      ? {}
      : { crm: { provider: start.crm.provider, host: start.crm.host, set: start.crm.active } }),
    dailyCap: start.dailyCap,
    minDaysBetween: start.minDaysBetween,
    when: { ...unsaidWhen, ...start.when },
  };
  return { manifest, hash: await manifestHash(manifest) };
}

/** SHA-256 of `{html, subject, text}` as canonical JSON: the content of a template, in a manifest and in a receipt. */
export function templateHash({ html, subject, text }: FrozenTemplate): Promise<string> {
  return sha256Hex(canonicalJson({ html, subject, text }));
}

function withoutSearch(filter: AudienceFilter): Omit<AudienceFilter, 'search'> {
  const rest = { ...filter };
  delete rest.search;
  return rest;
}

async function digestOf(leadIds: readonly number[]): Promise<LeadIdDigest> {
  const ids = uniqueSorted(leadIds);
  return { count: ids.length, sha256: await sha256Hex(canonicalJson(ids)) };
}

// ── in words ─────────────────────────────────────────────────────────────────────────────────────────

const quoted = (value: string | readonly string[]): string =>
  (typeof value === 'string' ? [value] : value)
    .map((text) => (text === '' ? 'none' : `“${text}”`))
    .join(' or ');
const timeOf = (ms: number): string => new Date(ms).toISOString().replace(/:\d\d\.\d{3}Z$/, 'Z');

/** A condition of a filter in words. `search` says no more than that there is one. */
const conditionWords: {
  [Name in keyof Required<AudienceFilter>]: (value: NonNullable<AudienceFilter[Name]>) => string;
} = {
  status: (status) => `with the status ${status}`,
  search: () => 'that a search found',
  source: (value) => `with the source ${quoted(value)}`,
  stage: (value) => `with the stage ${quoted(value)}`,
  consentSource: (value) => `with the consent ${quoted(value)}`,
  tag: (value) => `with the tag ${quoted(value)}`,
  externalSource: (value) => `known to ${quoted(value)}`,
  importId: (importId) => `of the import ${importId}`,
  createdFrom: (at) => `created from ${timeOf(at)}`,
  createdTo: (at) => `created until ${timeOf(at)}`,
  activatedFrom: (at) => `activated from ${timeOf(at)}`,
  activatedTo: (at) => `activated until ${timeOf(at)}`,
  notMailedSince: (at) => `not mailed since ${timeOf(at)}`,
};

/** Who is meant, in words: `all leads with the source “Fair”, minus 2`. */
function describeAudience(audience: Audience): string {
  if ('leadIds' in audience) {
    const count = new Set(audience.leadIds).size;
    return count === 1 ? '1 lead picked' : `${count} leads picked one by one`;
  }
  const { filter, excludedIds = [] } = audience;
  const conditions = (Object.keys(conditionWords) as (keyof AudienceFilter)[]).flatMap((name) => {
    const value = filter[name];
    // The table's value type follows from its key, which TypeScript cannot see across a union of keys.
    return value === undefined ? [] : [(conditionWords[name] as (value: unknown) => string)(value)];
  });
  const whole = ['all leads', ...conditions].join(conditions.length > 1 ? ', ' : ' ');
  return new Set(excludedIds).size === 0 ? whole : `${whole}, minus ${new Set(excludedIds).size}`;
}

// ── the difference of two ────────────────────────────────────────────────────────────────────────────

type Json = Readonly<Record<string, unknown>>;

interface DifferenceRule {
  /** Parts of the manifest; the first of them that differs is told, and the others are consequences. */
  paths: readonly string[];
  say: (was: unknown, now: unknown, current: Manifest) => string;
}

/** As it is told; in a manifest that somebody sent, it may be anything. */
const shown = (value: unknown): string => {
  if (value === null || value === undefined || value === '') return 'none';
  return typeof value === 'string'
    ? `“${value}”`
    : typeof value === 'number'
      ? String(value)
      : canonicalJson(value);
};
const nameOf = (value: unknown): string => (typeof value === 'string' ? value : shown(value));
const isNow =
  (subject: string) =>
  (was: unknown, now: unknown): string =>
    `${subject} is now ${shown(now)}; it was ${shown(was)}.`;
/** A number of leads; in a manifest that somebody sent, it may be anything. */
const countOf = (value: unknown): string => (typeof value === 'number' ? String(value) : 'not counted');
const leads = (count: unknown): string => `${countOf(count)} ${count === 1 ? 'lead' : 'leads'}`;

/** When it begins; in a manifest that somebody sent, it may be anything. */
function beginWords(schedule: unknown): string {
  if (!isObject(schedule)) return 'at once';
  const { at, zone, freezeAt } = schedule;
  const whom = freezeAt === 'start' ? ', with the leads that match then' : '';
  return `at ${shown(at)} in the zone ${shown(zone)}${whom}`;
}
function windowWords(window: unknown): string {
  if (!isObject(window)) return 'at any time';
  const { days, from, until, zone } = window;
  const names = Array.isArray(days) ? days.map(dayName) : [];
  return `on ${names.join(', ')} from ${shown(from)} until ${shown(until)} in the zone ${shown(zone)}`;
}
/** How it is divided; in a manifest that somebody sent, it may be anything. */
function waveWords(plan: unknown): string {
  if (!isObject(plan)) return 'in one part';
  const { sizes, perDay, watchMinutes, limits } = plan;
  const rules = `a watch of ${shown(watchMinutes)} minutes, and the limits ${shown(limits)}`;
  if (isObject(perDay))
    return `in waves of ${shown(perDay['leads'])} a day at ${shown(perDay['at'])} in the zone ${shown(perDay['zone'])}, with ${rules}`;
  const parts = Array.isArray(sizes) ? sizes.map(sizeWords) : [];
  return `in waves of ${[...parts, 'the rest'].join(', then ')}, with ${rules}`;
}
function sizeWords(size: unknown): string {
  if (!isObject(size)) return shown(size);
  return 'percent' in size ? `${shown(size['percent'])} %` : leads(size['leads']);
}
function dayName(day: unknown): string {
  return (typeof day === 'number' ? weekdayNames[day - 1] : undefined) ?? shown(day);
}
const weekdayNames = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

const otherVersion = 'It was made by another version of this service.';

const rules: readonly DifferenceRule[] = [
  { paths: ['/version'], say: () => otherVersion },
  { paths: ['/madeBy'], say: (was, now) => `It was made by ${nameOf(was)}, and you are ${nameOf(now)}.` },
  {
    paths: [
      '/audience/words',
      '/audience/filter',
      '/audience/searchHash',
      '/audience/picked',
      '/audience/excluded',
    ],
    say: (_, __, { audience }) => `Other leads are selected now: ${audience.words}.`,
  },
  {
    paths: ['/audience/outcomes/willActivate'],
    say: (was, now) => `${leads(now)} would get the email, ${countOf(was)} before.`,
  },
  {
    paths: ['/audience/outcomes/alreadyActive'],
    say: (was, now) => `${leads(now)} already active, ${countOf(was)} before.`,
  },
  {
    paths: ['/audience/outcomes/suppressed'],
    say: (was, now) => `${leads(now)} suppressed, ${countOf(was)} before.`,
  },
  {
    paths: ['/audience/outcomes/invalidAddress'],
    say: (was, now) => `${leads(now)} without a valid address, ${countOf(was)} before.`,
  },
  {
    paths: ['/audience/outcomes/recentlyMailed'],
    say: (was, now) => `${leads(now)} emailed recently, ${countOf(was)} before.`,
  },
  {
    paths: ['/template/id', '/template/version', '/template/name'],
    say: (_, __, { template }) =>
      `The template is now “${template.name}” in version ${String(template.version)}.`,
  },
  { paths: ['/template/sha256'], say: () => 'The content of the template has changed.' },
  { paths: ['/mail/provider'], say: isNow('The mail provider') },
  { paths: ['/mail/from'], say: isNow('The sender') },
  { paths: ['/mail/replyTo'], say: isNow('The address for replies') },
  { paths: ['/mail/postalAddress'], say: isNow('The postal address') },
  { paths: ['/mail/actionUrl'], say: isNow('The address behind the button') },
  { paths: ['/mail/publicUrl'], say: isNow('The base of the links') },
  { paths: ['/crm'], say: isNow('The CRM') },
  { paths: ['/dailyCap'], say: isNow('The daily cap') },
  { paths: ['/minDaysBetween'], say: isNow('The number of days between two emails to one lead') },
  {
    paths: ['/when/schedule'],
    say: (was, now) => `It begins ${beginWords(now)}; before, ${beginWords(was)}.`,
  },
  {
    paths: ['/when/window'],
    say: (was, now) => `It sends ${windowWords(now)}; before, ${windowWords(was)}.`,
  },
  {
    paths: ['/when/waves'],
    say: (was, now) => `It leaves ${waveWords(now)}; before, ${waveWords(was)}.`,
  },
];

/** Parts that follow from others: told only where nothing else of the audience differs. */
const consequences = [
  '/audience/members',
  '/audience/outcomes/recipients',
  '/audience/maxLeadId',
  '/audience/total',
];
/** Not told where one of these differs: another template, or another version, has another content. */
const impliedBy: Readonly<Record<string, readonly string[]>> = {
  '/template/sha256': ['/template/id', '/template/version'],
};

/**
 * In what the present manifest differs from an earlier one, in the order in which a person asks.
 *
 * @param was - as somebody sent it: any JSON
 */
export function manifestDifferences(was: Json, now: Manifest): ManifestDifference[] {
  const changed = changedPaths(was, now);
  const found: ManifestDifference[] = [];
  const tell = (path: string, say: DifferenceRule['say']): void => {
    const values = [valueAt(was, path), valueAt(now, path)] as const;
    found.push({ path, was: values[0] ?? null, now: values[1] ?? null, message: say(...values, now) });
  };
  for (const { paths, say } of rules) {
    const path = paths.find((each) => changed.some((leaf) => isWithin(leaf, each)));
    if (path === undefined || impliedBy[path]?.some((cause) => changed.includes(cause))) continue;
    tell(path, say);
  }
  const told = [...rules.flatMap(({ paths }) => paths), ...consequences];
  const isAudienceTold = found.some(({ path }) => path.startsWith('/audience/'));
  if (!isAudienceTold && changed.some((leaf) => consequences.includes(leaf))) {
    tell('/audience/members', () => 'Other leads match now, as many as before.');
  }
  // Parts that this list does not know.
  for (const leaf of changed.filter((each) => !told.some((path) => isWithin(each, path)))) {
    tell(leaf, (before, after) =>
      (before ?? null) === (after ?? null)
        ? otherVersion
        : isNow(`“${leaf.slice(1).replaceAll('/', '.')}”`)(before, after),
    );
  }
  return found;
}

const isWithin = (leaf: string, path: string): boolean => leaf === path || leaf.startsWith(`${path}/`);

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The pointers of the smallest parts in which two values differ; lists are compared as a whole. */
function changedPaths(was: unknown, now: unknown, path = ''): string[] {
  if (isObject(was) && isObject(now)) {
    const names = [...new Set([...Object.keys(now), ...Object.keys(was)])];
    return names.flatMap((name) => changedPaths(memberOf(was, name), memberOf(now, name), `${path}/${name}`));
  }
  // A part that is missing is another one than a part that is null: the hashes differ.
  return canonicalJson({ of: was }) === canonicalJson({ of: now }) ? [] : [path];
}

function valueAt(root: unknown, path: string): unknown {
  return path
    .split('/')
    .slice(1)
    .reduce<unknown>((value, name) => (isObject(value) ? memberOf(value, name) : undefined), root);
}

/** Not what every object has: somebody's manifest may have a part named `valueOf`. */
function memberOf(value: Json, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}
