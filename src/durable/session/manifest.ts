/**
 * The manifest of a session that is made anew inside a transaction.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import type { Session } from '../../core/session/session.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { withTimes, type HashedManifest, type Manifest } from '../../shared/manifest.ts';

/** The manifest with its hash; not `manifestHash`, which is answered later: no other command may come between. */
export function hashNow(manifest: Manifest): HashedManifest {
  return { manifest, hash: createHash('sha256').update(canonicalJson(manifest)).digest('hex') };
}

/** The session with another manifest. It keeps the hash that its start answered. */
export function withManifest(session: Session, manifest: HashedManifest): Session {
  const { spec } = session;
  const startedManifestHash = spec.startedManifestHash ?? spec.manifest?.hash ?? manifest.hash;
  return { ...session, spec: { ...spec, manifest, startedManifestHash } };
}

/** The session, whose times were changed, with the manifest that says so. */
export function withTimesInManifest(session: Session): Session {
  const { manifest, schedule, window = null } = session.spec;
  if (manifest === undefined) return session;
  const times = schedule && { at: schedule.at, zone: schedule.zone, freezeAt: schedule.freezeAt };
  return withManifest(session, hashNow(withTimes(manifest.manifest, { schedule: times ?? null, window })));
}
