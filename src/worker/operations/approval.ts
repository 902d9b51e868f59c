/**
 * The approval of an activation: what an approver is shown, and the comparison before an approval counts.
 *
 * Owns the comparison of the agreed manifest with what the same request would come to now. The verdict itself, and that
 * it is another person's, is decided once more in the session (core/session/approval.ts).
 *
 * @module
 */
import type { ApprovalVerdict } from '../../core/session/approval.ts';
import { manifestDifferences } from '../../core/session/manifest.ts';
import { listBegunBefore } from '../../crm/activations.ts';
import { sampleAcross } from '../../crm/audience.ts';
import type { ApprovalMaterial } from '../../durable/activation-session.ts';
import { sessionStub } from '../../durable/stubs.ts';
import { isOwnRequest } from '../../shared/approval.ts';
import { limits } from '../../shared/limits.ts';
import {
  manifestHash,
  type HashedManifest,
  type Manifest,
  type ManifestDifference,
} from '../../shared/manifest.ts';
import type { Progress } from '../../shared/progress.ts';
import type { ApprovalRequest } from '../../shared/schemas/approval.ts';
import type { SessionManifest } from '../../shared/schemas/manifest.ts';
import { Refusal } from '../http/problem.ts';
import { manifestChanged, manifestOf } from './manifest.ts';
import { renderSample } from './rendered-sample.ts';
import { mailSettings, presentMailedAfter, requireMail, requireTransport } from './require-mail.ts';
import { requireCountedAudience } from './start-activation.ts';
import { compileUsable, requireTemplate } from './templates.ts';

/** Activations that are asked whether they are the last one of the same kind. */
const maxAskedCount = 5;

interface Ask {
  sessionId: string;
  requestId: string;
  requestUrl: string;
}

/**
 * What an approver looks at.
 *
 * @throws Refusal for an unknown session, and for one that nobody has to approve
 */
export async function approvalRequest(env: Env, ask: Ask): Promise<ApprovalRequest> {
  const { material, agreed } = await requireMaterial(env, ask);
  const [differences, sample, last] = await Promise.all([
    // Once it is decided, nobody is asked any more.
    material.isOpen ? presentDifferences(env, material, agreed, ask.requestUrl) : [],
    material.isOpen ? sampleOf(env, material, agreed.hash) : [],
    lastLike(env, ask, agreed.manifest),
  ]);
  return { manifestHash: agreed.hash, reason: material.reason, differences, sample, last };
}

/** What a person decides, with the hash of the manifest that they have looked at. */
export type Verdict =
  | { kind: 'approve'; manifestHash: string; startsAt: number }
  | { kind: 'reject'; manifestHash: string; reason: string };

/**
 * Approves or rejects. An approval is refused where the same request would come to something else by now.
 *
 * @param by - e-mail address of a person, or the client id of a service token
 * @throws Refusal with the reason; nothing was written then
 */
export async function decideApproval(env: Env, ask: Ask, verdict: Verdict, by: string): Promise<Progress> {
  const { material, agreed } = await requireMaterial(env, ask);
  if (isOwnRequest(material.owner, by)) throw new Refusal('own_approval', ownDetail);
  if (material.isOpen && verdict.manifestHash !== agreed.hash) {
    throw changed('It was changed after you looked at it. Look at it again.', agreed);
  }
  if (material.isOpen && verdict.kind === 'approve') {
    const now = await presentManifest(env, material, agreed, ask.requestUrl);
    if (now.hash !== agreed.hash)
      throw manifestChanged(
        agreed.manifest as unknown as Record<string, unknown>,
        now,
        'It was not approved. Reject it, or have it started again.',
      );
  }
  const answer = await sessionStub(env, ask.sessionId).decideApproval(
    { ...verdict, by } satisfies ApprovalVerdict,
    ask.requestId,
  );
  switch (answer.kind) {
    case 'ok':
      return answer.progress;
    case 'unknown_session':
      throw new Refusal('session_not_found');
    case 'refused':
      throw answer.code === 'manifest_changed'
        ? changed(answer.detail, agreed)
        : new Refusal(answer.code, answer.detail);
    default:
      throw new Error(`unknown answer: ${String(answer satisfies never)}`);
  }
}

const ownDetail = 'You have started it. Ask a colleague who may approve.';

function changed(detail: string, manifest: HashedManifest): Refusal {
  const refusal = new Refusal('manifest_changed', detail);
  refusal.extension = { differences: [], manifest };
  return refusal;
}

async function requireMaterial(
  env: Env,
  { sessionId, requestId }: Ask,
): Promise<{ material: ApprovalMaterial; agreed: HashedManifest }> {
  const session = sessionStub(env, sessionId);
  const material = await session.approvalMaterial(requestId);
  if (material !== null) {
    return { material, agreed: JSON.parse(material.manifest) as HashedManifest };
  }
  if ((await session.progress(requestId)) === null) throw new Refusal('session_not_found');
  throw new Refusal('approval_decided', 'Nobody has to approve it.');
}

/**
 * What the session's request would come to now. Leads that were added later do not belong to an audience that is frozen,
 * and where it is found again at the start, its numbers are no promise.
 */
async function presentManifest(
  env: Env,
  { owner, audience, template: agreedTemplate, maxLeadId }: ApprovalMaterial,
  agreed: HashedManifest,
  requestUrl: string,
): Promise<HashedManifest> {
  requireMail(env);
  const { name: provider } = requireTransport(env);
  const template = await requireTemplate(env, agreedTemplate.id);
  const { when } = agreed.manifest;
  const isOpen = when.schedule?.freezeAt === 'start' && 'filter' in audience;
  const counted = isOpen
    ? { kind: 'ok' as const, revision: 0, ...agreed.manifest.audience }
    : await requireCountedAudience(env, { audience }, maxLeadId);
  const { manifest } = await manifestOf(env, {
    wanted: { audience, templateId: template.id },
    ...{ owner, template, provider },
    mail: mailSettings(env, requestUrl),
    audience: counted,
  });
  const now: Manifest = { ...manifest, when };
  return { manifest: now, hash: await manifestHash(now) };
}

/** What has changed since it was asked for, in words; also where it could not be started at all any more. */
async function presentDifferences(
  env: Env,
  material: ApprovalMaterial,
  agreed: HashedManifest,
  requestUrl: string,
): Promise<ManifestDifference[]> {
  try {
    const now = await presentManifest(env, material, agreed, requestUrl);
    return manifestDifferences(agreed.manifest as unknown as Record<string, unknown>, now.manifest);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [{ path: '', was: null, now: null, message: error.message }];
  }
}

/** Mails to some of its leads as they would leave; the same manifest shows the same leads. */
async function sampleOf(
  env: Env,
  { audience, template, mail, maxLeadId }: ApprovalMaterial,
  hash: string,
): Promise<ApprovalRequest['sample']> {
  const compiled = compileUsable(template);
  const chances = Array.from(
    { length: limits.maxApprovalSampleCount - 2 },
    (_, index) => Number.parseInt(hash.slice(index * 8, index * 8 + 8), 16) / 2 ** 32,
  );
  const recipients = await sampleAcross(env.DB, audience, {
    customFields: compiled.customFields,
    mailedAfter: presentMailedAfter(env),
    ...{ upTo: maxLeadId, chances },
  });
  return renderSample(compiled, recipients, mail);
}

/** The last activation of the same template or name that has begun, and what is otherwise now. */
async function lastLike(
  env: Env,
  { sessionId, requestId }: Ask,
  now: Manifest,
): Promise<ApprovalRequest['last']> {
  const progress = await sessionStub(env, sessionId).progress(requestId);
  if (progress === null) return null;
  for (const { sessionId: id, name, startedAt } of await listBegunBefore(env.DB, progress, maxAskedCount)) {
    const original = await sessionStub(env, id).original(requestId);
    const { manifest } =
      original?.manifest == null ? { manifest: null } : (JSON.parse(original.manifest) as SessionManifest);
    if (manifest === null || startedAt === null) continue;
    if (name !== progress.name && manifest.template.id !== now.template.id) continue;
    const differences = manifestDifferences(manifest, now)
      // That is for who has seen the other one and starts it.
      .filter(({ path }) => path !== '/madeBy');
    return { sessionId: id, name, startedAt, differences };
  }
  return null;
}
