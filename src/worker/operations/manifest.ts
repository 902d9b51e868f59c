/**
 * The manifest of a start request: what it would do now, and the refusal of a start that would do something else.
 *
 * Owns what is asked for it. What it holds is core/session/manifest.ts. Writes nothing.
 *
 * @module
 */
import { createHmac } from 'node:crypto';
import { makeManifest, manifestDifferences, type ResolvedStart } from '../../core/session/manifest.ts';
import type { PresentAudience } from '../../crm/audience.ts';
import { dailyCap, minDaysBetween } from '../../runtime/settings.ts';
import { manifestHash, whenOf, type HashedManifest } from '../../shared/manifest.ts';
import type {
  ActivationManifestRequest,
  ActivationStartRequest,
  Audience,
} from '../../shared/schemas/activation.ts';
import { Refusal } from '../http/problem.ts';
import { requireCrm } from './crm.ts';

interface Resolved extends Pick<ResolvedStart, 'owner' | 'template' | 'mail' | 'provider'> {
  wanted: ActivationManifestRequest;
  audience: PresentAudience;
}

/** The manifest of a start whose parts were looked up. */
export function manifestOf(env: Env, { wanted, audience, ...parts }: Resolved): Promise<HashedManifest> {
  const { maxLeadId, total, members, outcomes } = audience;
  const crm = requireCrm(env);
  return makeManifest({
    ...parts,
    ...(crm === null ? {} : { crm: crm.target }),
    audience: wanted.audience,
    searchHash: searchHash(env, wanted.audience),
    resolved: { maxLeadId, total, members, outcomes },
    dailyCap: dailyCap(env),
    minDaysBetween: minDaysBetween(env),
    when: whenOf(wanted),
  });
}

/**
 * Keyed, because whoever has the manifest could guess a name or an address and hash it. Apart from the hashes of
 * suppressed addresses, which have the same key.
 */
function searchHash({ ADDRESS_HASH_KEY }: Env, audience: Audience): string | null {
  if (!('filter' in audience) || audience.filter.search === undefined) return null;
  return createHmac('sha256', ADDRESS_HASH_KEY).update(`search\n${audience.filter.search}`).digest('hex');
}

/** Refuses a manifest that does not have the hash which came with it. */
export async function requireOwnHash(
  manifest: ActivationStartRequest['manifest'],
  hash: string | undefined,
): Promise<void> {
  if (manifest === undefined || (await manifestHash(manifest)) === hash) return;
  throw new Refusal('manifest_mismatch');
}

/**
 * The refusal of a start that carries the hash of another manifest than would come out now.
 *
 * @param effect - what did not happen, as a sentence
 */
export function manifestChanged(
  expected: ActivationStartRequest['manifest'],
  now: HashedManifest,
  effect = 'Nothing was started.',
): Refusal {
  const differences = expected === undefined ? [] : manifestDifferences(expected, now.manifest);
  const words =
    differences.length === 0
      ? ['Send the manifest beside its hash to be told what has changed.']
      : differences.map(({ message }) => message);
  const refusal = new Refusal('manifest_changed', [effect, ...words].join(' '));
  refusal.extension = { differences, manifest: now };
  return refusal;
}
