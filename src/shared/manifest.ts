/**
 * The manifest of an activation: what will be done, as data, with a hash.
 *
 * The preview makes it, a start may carry its hash, and the session keeps it. Owns its form and its hash; what goes
 * into it is core/session/manifest.ts. It has no address, no name of a lead and no search words: those must be erased
 * in time, and the hash must stay valid. In their place are hashes and counts.
 * No zod here: the web app loads this file.
 *
 * @module
 */
import { canonicalJson } from './canonical-json.ts';
import type { LeadIdDigest } from './lead-id-digest.ts';
import type { Schedule } from './schedule/schedule.ts';
import type { SendingWindow } from './schedule/sending-window.ts';
import type { LeadFilter } from './schemas/leads.ts';
import { sha256Hex } from './sha256.ts';
import type { WavePlan } from './waves.ts';

/** What an activation would do with the leads of an audience: how many it would treat in each way. */
export interface AudienceOutcomes {
  willActivate: number;
  alreadyActive: number;
  suppressed: number;
  invalidAddress: number;
  recentlyMailed: number;
  /** Differs where as many other leads would get the mail. */
  recipients: string;
}

export interface ManifestAudience {
  /** For people; without the search words. */
  words: string;
  /** Without the search words; null where leads were picked one by one. */
  filter: Omit<LeadFilter, 'search'> | null;
  /** Keyed hash of the search words; null where there are none. */
  searchHash: string | null;
  /** The leads that were picked one by one. */
  picked: LeadIdDigest | null;
  /** The leads that were taken out. */
  excluded: LeadIdDigest | null;
  maxLeadId: number;
  total: number;
  /** Differs where as many other leads are meant. */
  members: string;
  /** Null where nobody asked for them: a start without a hash is held to none. */
  outcomes: AudienceOutcomes | null;
}

/** When it leaves, as the start request says; a part that the request does not have is null. */
export interface ManifestWhen {
  /**
   * With `freezeAt: 'start'` the leads of a filter are found again when it begins: the numbers of the audience are then
   * a count and no promise.
   */
  readonly schedule: Schedule | null;
  readonly window: SendingWindow | null;
  readonly waves: WavePlan | null;
  readonly [further: string]: unknown;
}

/** Everything that a preview, an approval and a start must agree on. */
export interface Manifest {
  /** Of this form of the manifest. */
  version: 1;
  madeBy: string;
  audience: ManifestAudience;
  template: {
    id: string;
    version: number;
    name: string;
    /** SHA-256 of subject, HTML and text, as canonical JSON. */
    sha256: string;
  };
  mail: {
    provider: string;
    from: string;
    replyTo: string | null;
    postalAddress: string | null;
    /** Where the mail's button leads. */
    actionUrl: string | null;
    /** Base of the links to the app's public pages. */
    publicUrl: string | null;
  };
  /** The foreign CRM in which leads are set active too, and what is set there; absent: none. */
  crm?: { provider: string; host: string; set: Readonly<Record<string, string>> };
  /** Mails in one day from the sender's domain. */
  dailyCap: number | null;
  /** A lead that we mailed within so many days gets no mail. */
  minDaysBetween: number | null;
  when: ManifestWhen;
}

/** A manifest with its hash. */
export interface HashedManifest {
  manifest: Manifest;
  /** See {@link manifestHash}. */
  hash: string;
}

/** SHA-256 of the manifest as canonical JSON, as 64 lower-case hex digits. */
export function manifestHash(manifest: Manifest | Readonly<Record<string, unknown>>): Promise<string> {
  return sha256Hex(canonicalJson(manifest));
}

/** Parts of a start request that say what is started, and under which name and condition. */
const whatParts = new Set(['sessionId', 'name', 'audience', 'templateId', 'manifestHash', 'manifest']);

/** What a start request says of when it leaves: every other part of it, so that none is forgotten. */
export function whenOf(request: object): Partial<ManifestWhen> {
  return Object.fromEntries(Object.entries(request).filter(([part]) => !whatParts.has(part)));
}

/** The same manifest with other times. Those that `when` does not name stay. */
export function withTimes(manifest: Manifest, when: Partial<ManifestWhen>): Manifest {
  return { ...manifest, when: { ...manifest.when, ...when } };
}

/** One thing in which two manifests differ. */
export interface ManifestDifference {
  /** JSON pointer of the first part that differs. */
  path: string;
  was: unknown;
  now: unknown;
  /** The difference as a sentence. */
  message: string;
}
