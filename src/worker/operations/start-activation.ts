/**
 * Starting an activation: one request becomes one session, however often it is sent.
 *
 * Owns the order of the checks, and what a session keeps from its start on: the audience, the template and the
 * mail settings. Does not know HTTP; refusals are thrown.
 * Invariant: a session that starts can be sent: its template compiles and its mail settings are complete.
 *
 * @module
 */
import { batchCountInBounds } from '../../core/batch/batch.ts';
import { batchCountUnderCap } from '../../core/limits/daily-cap.ts';
import { checkSchedule, windowFault } from '../../core/schedule/check-timing.ts';
import { needsApproval, newApproval } from '../../core/session/approval.ts';
import type { Command } from '../../core/session/command.ts';
import type { SessionSpec } from '../../core/session/session.ts';
import { wavesFault } from '../../core/session/wave-plan.ts';
import { formatTraceparent, type TraceContext } from '../../core/trace.ts';
import { countRunning, wasDeleted } from '../../crm/activations.ts';
import {
  countAudience,
  resolveAudience,
  unknownLeadIds,
  type PresentAudience,
  type ResolvedAudience,
} from '../../crm/audience.ts';
import { openRecovery } from '../../crm/recovery.ts';
import { endpointIds } from '../../crm/event-endpoints.ts';
import { sessionStub } from '../../durable/stubs.ts';
import {
  approvalAbove,
  dailyCap,
  maxBatchLeadCount,
  minDaysBetween,
  undoMs,
} from '../../runtime/settings.ts';
import { limits } from '../../shared/limits.ts';
import type { AudienceOutcomes } from '../../shared/manifest.ts';
import type { Progress } from '../../shared/progress.ts';
import type {
  ActivationManifestRequest,
  ActivationPreviewRequest,
  ActivationStartRequest,
  Audience,
  OriginalActivation,
  RescheduleRequest,
} from '../../shared/schemas/activation.ts';
import type { ResolvedSchedule, Schedule } from '../../shared/schedule/schedule.ts';
import type { SendingWindow } from '../../shared/schedule/sending-window.ts';
import { sha256Hex } from '../../shared/sha256.ts';
import { requireSimpleFilter } from '../http/params.ts';
import { Refusal } from '../http/problem.ts';
import { requireCrm } from './crm.ts';
import { manifestChanged, manifestOf, requireOwnHash } from './manifest.ts';
import { mailSettings, presentMailedAfter, requireMail, requireTransport } from './require-mail.ts';
import { compileUsable, requireTemplate } from './templates.ts';
import { batchCountInWarmUp } from './warm-up.ts';

/** Who starts it, and by which request. */
export interface StartContext {
  /** E-mail address of a person, or the client id of a service token. */
  owner: string;
  requestId: string;
  requestUrl: string;
  /** Of a request that is traced. */
  trace: TraceContext | undefined;
}

/** `exists`: the same request started it before, and nothing was written now. */
export interface StartedActivation {
  kind: 'started' | 'exists';
  progress: Progress;
  /** Of its manifest; null for a session that was started before there were manifests. */
  manifestHash: string | null;
}

/**
 * Starts a session, or finds the one that the same request started.
 *
 * @throws Refusal with the reason when it cannot start; nothing was written then
 */
export async function startActivation(
  env: Env,
  request: ActivationStartRequest,
  context: StartContext,
): Promise<StartedActivation> {
  // The manifest says under which condition it may start, not what is started.
  const { sessionId, manifestHash, manifest: expected, ...wanted } = request;
  const { owner, requestId, requestUrl, trace } = context;
  const session = sessionStub(env, sessionId);
  const fingerprint = await fingerprintOf(wanted);
  // Before anything else: a repeat must find its session even if the leads have changed since.
  const found = await session.find(fingerprint, requestId);
  if (found !== null) return requireStarted(found);
  await requireOwnHash(expected, manifestHash);
  const timing = requireTiming(wanted, Date.now());
  await requireNoRecovery(env);
  // The object's own mark can be lost when it dies while it deletes its storage.
  if (await wasDeleted(env.DB, sessionId)) throw new Refusal('session_erased');
  if ((await countRunning(env.DB, owner)) >= limits.maxRunningSessionCount) {
    throw new Refusal('too_many_sessions', `At most ${limits.maxRunningSessionCount} may run at once.`);
  }

  const template = await requireTemplate(env, wanted.templateId);
  const { customFields } = compileUsable(template);
  requireMail(env);
  const { name: provider, maxBatch, ...callBounds } = requireTransport(env);
  const crm = requireCrm(env);
  const createdAt = Date.now();
  // Who is held to no manifest does not wait for counts.
  const isHeld = manifestHash !== undefined;
  const above = approvalAbove(env);
  const audience = await requireStartAudience(env, wanted, isHeld, above);
  requireWaves(wanted, audience.total);
  const mail = mailSettings(env, requestUrl);
  const warmUpBatch = await batchCountInWarmUp(env, mail.from);
  const made = await manifestOf(env, { wanted, owner, template, mail, provider, audience });
  if (isHeld && manifestHash !== made.hash) throw manifestChanged(expected, made);
  const days = minDaysBetween(env);
  const mustWait = needsApproval(audience.total, above);
  const spec: SessionSpec = {
    sessionId,
    name: wanted.name ?? template.name,
    owner,
    fingerprint,
    audience: wanted.audience,
    template,
    mail,
    provider,
    ...(crm === null ? {} : { crm: crm.target }),
    batchLeadCount: batchCountUnderCap(
      batchCountInBounds(
        {
          ...callBounds,
          maxBatch: Math.min(
            maxBatch,
            maxBatchLeadCount(env) ?? maxBatch,
            warmUpBatch ?? maxBatch,
            crm?.maxBatch ?? maxBatch,
          ),
        },
        template.subject.length + template.html.length + template.text.length,
        customFields.length,
      ),
      dailyCap(env),
    ),
    maxLeadId: audience.maxLeadId,
    total: audience.total,
    revision: audience.revision,
    manifest: made,
    ...(days === null ? {} : { minDaysBetween: days }),
    createdAt,
    ...(trace === undefined ? {} : { trace: formatTraceparent(trace) }),
    // Counted from here: a slow count of the audience must not shorten the time to undo. One that is scheduled can be
    // cancelled until it begins.
    ...(timing.schedule === undefined && !mustWait ? { startsAt: Date.now() + undoMs(env) } : {}),
    ...timing,
    ...(wanted.waves === undefined ? {} : { waves: wanted.waves }),
    ...(mustWait ? { approval: newApproval(createdAt) } : {}),
    ...(wanted.schedule === undefined && wanted.window === undefined && wanted.waves === undefined
      ? {}
      : { selectionHash: await fingerprintOf(selectionOf(wanted)) }),
  };
  const endpoints = await endpointIds(env.DB);
  return requireStarted(await session.startSession(spec, requestId, endpoints.length > 0 && endpoints));
}

/**
 * What a session was started with. A session deletes parts of its audience in time, and the rest of it would match
 * more leads than the start did. So the audience is only given when it has the hash of the start request.
 *
 * @returns null for an unknown id
 */
export async function originalActivation(
  env: Env,
  sessionId: string,
  requestId: string,
): Promise<OriginalActivation | null> {
  const original = await sessionStub(env, sessionId).original(requestId);
  if (original === null) return null;
  const { name, audience, fingerprint, selectionHash, templateId, templateVersion } = original;
  // A request without a name takes that of the template.
  const hashes = await Promise.all([
    fingerprintOf({ name, audience, templateId }),
    fingerprintOf({ audience, templateId }),
  ]);
  const isExact = hashes.includes(selectionHash ?? fingerprint);
  return {
    name,
    templateId,
    templateVersion,
    audience: isExact ? await withoutDeleted(env, audience) : null,
  };
}

/** The audience without ids of leads that were deleted since, which a start would refuse; null when none is left. */
async function withoutDeleted(env: Env, audience: Audience): Promise<Audience | null> {
  if (!('leadIds' in audience)) return audience;
  const gone = new Set(await unknownLeadIds(env.DB, audience.leadIds));
  if (gone.size === 0) return audience;
  const leadIds = audience.leadIds.filter((leadId) => !gone.has(leadId));
  return leadIds.length === 0 ? null : { ...audience, leadIds };
}

/**
 * What a start request says of its time, with the moment that it means.
 *
 * @throws Refusal for times that cannot be
 */
export function requireTiming(
  { schedule, window }: Pick<ActivationStartRequest, 'schedule' | 'window'>,
  nowMs: number,
): Pick<SessionSpec, 'schedule' | 'window'> {
  return {
    ...(schedule === undefined ? {} : { schedule: requireSchedule(schedule, nowMs) }),
    ...(window === undefined ? {} : { window: requireWindow(window) }),
  };
}

/**
 * Refuses waves that do not fit the audience.
 *
 * @param total - its leads
 */
export function requireWaves({ waves }: Pick<ActivationStartRequest, 'waves'>, total: number): void {
  const fault = waves === undefined ? null : wavesFault(waves, total);
  if (fault !== null) throw new Refusal(fault.code, fault.detail);
}

function requireSchedule<Time extends Pick<Schedule, 'at' | 'zone'>>(
  schedule: Time,
  nowMs: number,
): Time & Pick<ResolvedSchedule, 'startAt'> {
  const checked = checkSchedule(schedule, nowMs);
  if (checked.kind === 'refused') throw new Refusal(checked.code, checked.detail);
  return checked.schedule;
}

function requireWindow(window: SendingWindow): SendingWindow {
  const fault = windowFault(window);
  if (fault !== null) throw new Refusal(fault.code, fault.detail);
  return window;
}

/**
 * The command that a request to change the times of a session means.
 *
 * @throws Refusal for times that cannot be
 */
export function rescheduleOf({ schedule, window }: RescheduleRequest, nowMs: number): Command {
  return {
    kind: 'reschedule',
    ...(schedule === undefined ? {} : { time: requireSchedule(schedule, nowMs) }),
    ...(window === undefined ? {} : { window: window === null ? null : requireWindow(window) }),
  };
}

/** Whom a start request is for and what they get, without its times and its waves. */
const selectionOf = ({ name, audience, templateId }: ActivationPreviewRequest): ActivationPreviewRequest => ({
  ...(name === undefined ? {} : { name }),
  audience,
  templateId,
});

/** The hash of what a start request wants. The order of the keys is a part of it. */
const fingerprintOf = (request: ActivationManifestRequest): Promise<string> =>
  sha256Hex(JSON.stringify(request));

type StartAnswer = Awaited<ReturnType<ReturnType<typeof sessionStub>['startSession']>>;

function requireStarted(answer: StartAnswer): StartedActivation {
  switch (answer.kind) {
    case 'conflict':
      throw new Refusal('session_conflict');
    case 'erased':
      throw new Refusal('session_erased');
    case 'started':
    case 'exists': {
      const { kind, progress, manifestHash } = answer;
      return { kind, progress, manifestHash: manifestHash ?? null };
    }
    default:
      throw new Error(`unknown answer: ${String(answer satisfies never)}`);
  }
}

/** Refuses while a restore is open: the database then has leads as new that sessions have mailed. */
export async function requireNoRecovery(env: Env): Promise<void> {
  if ((await openRecovery(env.DB)) === null) return;
  throw new Refusal(
    'recovery_open',
    'An admin has to run `npm run reconcile` (docs/RECOVERY.md); until then somebody could be mailed twice.',
  );
}

/** The leads of a start. What would happen to them is counted where somebody is held to it or has to approve it. */
async function requireStartAudience(
  env: Env,
  wanted: ActivationPreviewRequest,
  isHeld: boolean,
  above: number | null,
): Promise<PresentAudience> {
  if (isHeld) return requireCountedAudience(env, wanted);
  const audience = await requireAudience(env, wanted);
  return needsApproval(audience.total, above) ? requireCountedAudience(env, wanted) : audience;
}

/** The leads that an audience means now; refuses an empty one and ids of no lead. */
async function requireAudience(env: Env, { audience }: ActivationPreviewRequest): Promise<PresentAudience> {
  if ('filter' in audience) requireSimpleFilter(audience.filter);
  return requirePresent(await resolveAudience(env.DB, audience));
}

/**
 * The same, with what would happen to the leads.
 *
 * @param upTo - leads with a higher id do not count
 */
export async function requireCountedAudience(
  env: Env,
  { audience }: Pick<ActivationPreviewRequest, 'audience'>,
  upTo?: number,
): Promise<PresentAudience<AudienceOutcomes>> {
  if ('filter' in audience) requireSimpleFilter(audience.filter);
  return requirePresent(await countAudience(env.DB, audience, presentMailedAfter(env), upTo));
}

function requirePresent<Outcomes>(resolved: ResolvedAudience<Outcomes>): PresentAudience<Outcomes> {
  if (resolved.kind === 'empty') throw new Refusal('empty_audience', 'No lead matches; nothing was started.');
  if (resolved.kind === 'unknown_leads') {
    const shown = resolved.leadIds.slice(0, 10).join(', ');
    const more = resolved.leadIds.length > 10 ? ` and ${resolved.leadIds.length - 10} more` : '';
    throw new Refusal('unknown_leads', `No lead has these ids: ${shown}${more}. Nothing was started.`);
  }
  return resolved;
}
