/**
 * `/crm/activation`: start, watch and command sessions (docs/PROTOCOL.md).
 *
 * Owns the HTTP side only. Starting is src/worker/operations/start-activation.ts; progress and commands belong to
 * the session object.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Command } from '../../../core/session/command.ts';
import { sampleAudience } from '../../../crm/audience.ts';
import { deleteActivation, listActivations, wasDeleted } from '../../../crm/activations.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { undoMs } from '../../../runtime/settings.ts';
import { limits } from '../../../shared/limits.ts';
import { activationStates, emailStates, type Progress } from '../../../shared/progress.ts';
import {
  activationListSchema,
  activationManifestRequestSchema,
  activationPreviewRequestSchema,
  activationSchema,
  activationPreviewSchema,
  activationStartRequestSchema,
  activationViews,
  issueListSchema,
  leadResultPageSchema,
  originalActivationSchema,
  progressSchema,
  rescheduleRequestSchema,
  nextWaveRequestSchema,
  retryRequestSchema,
  startedActivationSchema,
  type Activation,
} from '../../../shared/schemas/activation.ts';
import {
  hashedManifestSchema,
  sessionManifestSchema,
  type SessionManifest,
} from '../../../shared/schemas/manifest.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { manifestOf } from '../../operations/manifest.ts';
import { pollSession } from '../../operations/older-objects.ts';
import { renderSample } from '../../operations/rendered-sample.ts';
import {
  mailSettings,
  presentMailedAfter,
  requireMail,
  requireTransport,
  usableTransport,
} from '../../operations/require-mail.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { sessionIdParams } from '../../http/params.ts';
import { pageCodes, pageQuery, requirePage } from '../../http/paging.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { csvOfResults, resultPage } from '../../operations/results.ts';
import {
  originalActivation,
  requireCountedAudience,
  requireNoRecovery,
  requireTiming,
  requireWaves,
  rescheduleOf,
  startActivation,
} from '../../operations/start-activation.ts';
import { compileUsable, requireTemplate } from '../../operations/templates.ts';

const tags = ['activation'];

const timingCodes = ['unknown_zone', 'start_in_past', 'start_too_far', 'window_never_opens'] as const;

const start = createRoute({
  method: 'post',
  path: '/crm/activation',
  operationId: 'startActivation',
  tags,
  summary: 'Start an activation',
  description:
    'The session id is the idempotency key: a repeat of the same request answers 200 with the same session.',
  request: { body: body(activationStartRequestSchema) },
  responses: {
    201: {
      ...json('The activation is started.', startedActivationSchema),
      headers: z.object({ location: z.string().openapi({ description: 'Where its progress is.' }) }),
    },
    200: json('The same request started it before.', startedActivationSchema),
    ...problems(
      ...bodyCodes,
      ...timingCodes,
      'waves_do_not_add_up',
      'empty_audience',
      'unknown_leads',
      'unknown_template',
      'invalid_template',
      'filter_too_complex',
      'session_conflict',
      'session_erased',
      'manifest_changed',
      'manifest_mismatch',
      'mail_not_configured',
      'crm_not_configured',
      'recovery_open',
      'too_many_sessions',
    ),
  },
});

const preview = createRoute({
  method: 'post',
  path: '/crm/activation/preview',
  operationId: 'previewActivation',
  tags,
  summary: 'Preview a start; changes nothing',
  request: { body: body(activationPreviewRequestSchema) },
  responses: {
    200: json('The number of leads, and some of the mails.', activationPreviewSchema),
    ...problems(
      ...bodyCodes,
      'empty_audience',
      'unknown_leads',
      'unknown_template',
      'invalid_template',
      'filter_too_complex',
    ),
  },
});

const manifest = createRoute({
  method: 'post',
  path: '/crm/activation/manifest',
  operationId: 'makeManifest',
  tags,
  summary: 'What a start would do now, with its hash; changes nothing',
  description: 'A start that carries the hash is refused where another manifest would come out by then.',
  request: { body: body(activationManifestRequestSchema) },
  responses: {
    200: json('The manifest.', hashedManifestSchema),
    ...problems(
      ...bodyCodes,
      ...timingCodes,
      'waves_do_not_add_up',
      'empty_audience',
      'unknown_leads',
      'unknown_template',
      'invalid_template',
      'filter_too_complex',
      'mail_not_configured',
      'crm_not_configured',
    ),
  },
});

const history = createRoute({
  method: 'get',
  path: '/crm/activation',
  operationId: 'listActivations',
  tags,
  summary: 'All activations, newest first',
  description:
    'The list has the last recorded state of a running activation; its progress is newer. The view `scheduled` has those that wait for their time, the soonest first.',
  request: {
    query: z.object({
      search: z.string().max(limits.maxSearchLength).optional(),
      view: z.enum(activationViews).optional().openapi({ description: 'Only this part of the list.' }),
      mine: z.enum(['true']).optional().openapi({ description: 'Only those that you started.' }),
      ...pageQuery(20, 100),
    }),
  },
  responses: {
    200: json('One page.', activationListSchema),
    ...problems(...pageCodes),
  },
});

const get = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}',
  operationId: 'getActivation',
  tags,
  summary: 'One activation: its progress, its manifest and its template',
  request: { params: sessionIdParams },
  responses: {
    200: json('The activation.', activationSchema),
    ...problems('invalid_request', 'session_not_found'),
  },
});

const getProgress = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/progress',
  operationId: 'getActivationProgress',
  tags,
  summary: 'Progress of an activation',
  description: 'The ETag is the revision; with If-None-Match, an unchanged progress answers 304.',
  request: { params: sessionIdParams },
  responses: {
    200: json('Progress.', progressSchema),
    304: { description: 'Nothing has changed.' },
    ...problems('invalid_request', 'session_not_found'),
  },
});

const stream = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/stream',
  operationId: 'streamActivation',
  tags,
  summary: 'Progress as server-sent events',
  description:
    'Events `progress`, `issues`, `end`, `deleted`. After `end` the server closes the stream, and the client must not reconnect.',
  request: { params: sessionIdParams },
  responses: {
    200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string() } } },
    ...problems('invalid_request', 'session_not_found', 'too_many_readers'),
  },
});

const issues = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/issues',
  operationId: 'listActivationIssues',
  tags,
  summary: 'Failures and skips, counted by reason',
  request: { params: sessionIdParams },
  responses: {
    200: json('The issues.', issueListSchema),
    ...problems('invalid_request', 'session_not_found'),
  },
});

const original = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/original',
  operationId: 'getActivationOriginal',
  tags,
  summary: 'What an activation was started with, to start another one like it',
  request: { params: sessionIdParams },
  responses: {
    200: json('Its name, template and audience.', originalActivationSchema),
    ...problems('invalid_request', 'session_not_found'),
  },
});

const keptManifest = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/manifest',
  operationId: 'getActivationManifest',
  tags,
  summary: 'The manifest of an activation',
  description: 'That of its start, with the times that it has now.',
  request: { params: sessionIdParams },
  responses: {
    200: json('The manifest and its hash.', sessionManifestSchema),
    ...problems('invalid_request', 'session_not_found'),
  },
});

const resultFilter = {
  activation: z.enum(activationStates).optional(),
  email: z.enum(emailStates).optional(),
  code: z.string().max(limits.maxFieldLength).optional().openapi({
    description: 'A skip reason, or the code of an issue: only leads of that issue.',
  }),
};

const results = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/leads',
  operationId: 'listActivationLeads',
  tags,
  summary: 'The result of each lead, in pages',
  description: 'A page may have fewer leads than its limit and still have a next page.',
  request: {
    params: sessionIdParams,
    query: z.object({
      ...resultFilter,
      ...pageQuery(limits.defaultPageLeadCount, limits.maxPageLeadCount),
    }),
  },
  responses: {
    200: json('One page.', leadResultPageSchema),
    ...problems(...pageCodes, 'session_not_found'),
  },
});

const resultsCsv = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/leads.csv',
  operationId: 'downloadActivationLeads',
  tags,
  summary: 'The result of each lead, as a CSV file',
  request: { params: sessionIdParams, query: z.object(resultFilter) },
  responses: {
    200: { description: 'All results.', content: { 'text/csv': { schema: z.string() } } },
    ...problems('invalid_request', 'session_not_found'),
  },
});

const commandRoute = <Path extends string>(path: Path, summary: string) =>
  createRoute({
    method: 'post',
    path: `/crm/activation/{sessionId}/${path}` as const,
    operationId: `${path.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())}Activation`,
    tags,
    summary,
    request: { params: sessionIdParams },
    responses: {
      200: json('Progress after the command; a repeat changes nothing.', progressSchema),
      ...problems('invalid_request', 'session_not_found', 'illegal_transition', 'recovery_open'),
    },
  });

const pause = commandRoute('pause', 'Pause: no new mail is sent; mail on its way is settled');
const resume = commandRoute('resume', 'Resume a paused activation');
const cancel = commandRoute('cancel', 'Cancel: the rest is skipped; mail on its way is settled');
const undo = commandRoute(
  'undo',
  'Undo a start: only before `startsAt`, while no lead has been activated and no mail sent',
);
const check = commandRoute(
  'check',
  'Ask the mail provider about unknown mail, by its idempotency keys (mail that was not sent is sent then)',
);
const assumeSent = commandRoute('assume-sent', 'Count all unknown mail as sent');

const startNow = commandRoute(
  'start-now',
  'Start a scheduled activation now; it can be undone until `startsAt`',
);

const reschedule = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/schedule',
  operationId: 'rescheduleActivation',
  tags,
  summary: 'Change the start time of a scheduled activation, or the sending window of one that has not ended',
  description: 'A repeat changes nothing. When the audience is frozen stays as it was chosen at the start.',
  request: { params: sessionIdParams, body: body(rescheduleRequestSchema) },
  responses: {
    200: json('Progress after it.', progressSchema),
    ...problems(...bodyCodes, ...timingCodes, 'session_not_found', 'illegal_transition'),
  },
});

const nextWave = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/next-wave',
  operationId: 'nextWaveActivation',
  tags,
  summary: 'Go on from a wave that is held or watched',
  description:
    'Where all mail of the wave is settled, the next one begins. A wave that is held in its middle goes on, and is held again by what comes from then on. A repeat changes nothing: `after` names the wave, and `hold` which of its holds was seen.',
  request: { params: sessionIdParams, body: body(nextWaveRequestSchema) },
  responses: {
    200: json('Progress after it.', progressSchema),
    ...problems(...bodyCodes, 'session_not_found', 'illegal_transition', 'recovery_open'),
  },
});

const erase = createRoute({
  method: 'delete',
  path: '/crm/activation/{sessionId}',
  operationId: 'eraseActivation',
  tags,
  summary: 'Erase an activation that has ended, is paused, held or scheduled',
  description:
    'Deletes everything that the session stores, its numbers too; its streams end with `deleted`. A paused, held or scheduled one is cancelled first: leads that it set active and did not mail are new again. While that takes longer than a call, the answer is 409; repeat the call when the activation has ended.',
  request: { params: sessionIdParams },
  responses: {
    204: { description: 'It is erased.' },
    ...problems('invalid_request', 'session_not_found', 'illegal_transition'),
  },
});

const retry = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/retry',
  operationId: 'retryActivation',
  tags,
  summary: 'Send failed mail again, or unknown mail (which may arrive twice)',
  request: { params: sessionIdParams, body: body(retryRequestSchema) },
  responses: {
    200: json('Progress after it.', progressSchema),
    ...problems(...bodyCodes, 'session_not_found', 'illegal_transition', 'recovery_open'),
  },
});

/** The older addresses of two routes. They are served for good, and are not described: a sub-resource of a session could
 * not be told from them by a description alone. */
const olderPaths = {
  progress: '/crm/activation/progress/{sessionId}',
  stream: '/crm/activation/stream/{sessionId}',
} as const;

export function activationRoutes(app: App): void {
  app.openapi(start, async (c) => {
    const request = c.req.valid('json');
    const { kind, progress, manifestHash } = await startActivation(c.env, request, {
      owner: c.get('person').email,
      requestId: c.get('requestId'),
      requestUrl: c.req.url,
      trace: c.get('trace'),
    });
    const { sessionId, templateId: template } = request;
    const isNew = kind === 'started';
    const { total, schedule } = progress;
    const times = schedule === undefined ? {} : { at: schedule.at, zone: schedule.zone };
    noteAudit(c, isNew && { target: sessionId, detail: { total, template, ...times, manifestHash } });
    const location = `/crm/activation/progress/${sessionId}`;
    return c.json({ ...progress, manifestHash }, isNew ? 201 : 200, { location });
  });

  app.openapi(preview, async (c) => {
    const request = c.req.valid('json');
    const template = await requireTemplate(c.env, request.templateId);
    const audience = await requireCountedAudience(c.env, request);
    const compiled = compileUsable(template);
    const { customFields } = compiled;
    const mail = mailSettings(c.env, c.req.url);
    const provider = usableTransport(c.env)?.name;
    const owner = c.get('person').email;
    const [recipients, made] = await Promise.all([
      sampleAudience(c.env.DB, request.audience, limits.maxPreviewSampleCount, {
        customFields,
        mailedAfter: presentMailedAfter(c.env),
      }),
      provider === undefined
        ? null
        : manifestOf(c.env, { wanted: request, owner, template, mail, provider, audience }),
    ]);
    const sample = renderSample(compiled, recipients, mail);
    noteLeadsShown(c, sample.length);
    const { total, outcomes } = audience;
    const { willActivate, alreadyActive, suppressed, invalidAddress, recentlyMailed } = outcomes;
    const counts = { total, willActivate, alreadyActive, suppressed, invalidAddress, recentlyMailed };
    return c.json({ ...counts, sample, manifest: made }, 200);
  });

  app.openapi(manifest, async (c) => {
    const wanted = c.req.valid('json');
    requireTiming(wanted, Date.now());
    const template = await requireTemplate(c.env, wanted.templateId);
    compileUsable(template);
    requireMail(c.env);
    const { name: provider } = requireTransport(c.env);
    const owner = c.get('person').email;
    const mail = mailSettings(c.env, c.req.url);
    const audience = await requireCountedAudience(c.env, wanted);
    requireWaves(wanted, audience.total);
    return c.json(await manifestOf(c.env, { wanted, owner, template, mail, provider, audience }), 200);
  });

  app.openapi(history, async (c) => {
    const { search, view, mine, cursor, limit } = c.req.valid('query');
    const { list } = requirePage(
      await listActivations(c.env.DB, {
        cursor: cursor ?? null,
        limit,
        ...(search === undefined ? {} : { search }),
        ...(view === undefined ? {} : { view }),
        ...(mine === undefined ? {} : { owner: c.get('person').email }),
      }),
    );
    return c.json(list, 200);
  });

  app.openapi(get, async (c) => {
    const { sessionId } = c.req.valid('param');
    const session = sessionOf(c);
    const [progress, original] = await Promise.all([
      session.progress(c.get('requestId')),
      session.original(c.get('requestId')),
    ]);
    // An erasure may come between the two.
    if (progress === null || original === null) throw new Refusal('session_not_found');
    const path = `/crm/activation/${sessionId}`;
    const answer: Activation = {
      sessionId,
      progress,
      template: { id: original.templateId, version: original.templateVersion },
      manifest: manifestFrom(original.manifest),
      links: {
        progress: `${path}/progress`,
        stream: `${path}/stream`,
        issues: `${path}/issues`,
        leads: `${path}/leads`,
        timeline: `${path}/timeline`,
        original: `${path}/original`,
        receipt: progress.finishedAt === null ? null : `${path}/receipt`,
      },
    };
    return c.json(answer, 200);
  });

  const progressHandler = async (c: Context<AppEnv>) => {
    const knownTags = tagsOf(c.req.header('if-none-match'));
    const answer = await pollSession(sessionOf(c), knownTags, c.get('requestId'));
    if (answer === null) throw new Refusal('session_not_found');
    const { etag, body } = answer;
    const headers = { etag, 'cache-control': 'no-cache' };
    if (body === null) return c.body(null, 304, headers);
    return new Response(body, { headers: { ...headers, 'content-type': 'application/json' } });
  };
  app.openapi(getProgress, progressHandler);
  app.openapi({ ...getProgress, path: olderPaths.progress, hide: true }, progressHandler);

  const streamHandler = async (c: Context<AppEnv>) => {
    const lastEventId = c.req.header('last-event-id');
    const response = await sessionOf(c).fetch('http://session/stream', {
      headers: {
        'x-request-id': c.get('requestId'),
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    });
    if (response.status === 404) throw new Refusal('session_not_found');
    if (response.status === 429) throw new Refusal('too_many_readers');
    return response;
  };
  app.openapi(stream, streamHandler);
  app.openapi({ ...stream, path: olderPaths.stream, hide: true }, streamHandler);

  app.openapi(issues, async (c) => {
    const list = await sessionOf(c).issues(c.get('requestId'));
    if (list === null) throw new Refusal('session_not_found');
    return c.json(list, 200);
  });

  app.openapi(original, async (c) => {
    const { sessionId } = c.req.valid('param');
    const found = await originalActivation(c.env, sessionId, c.get('requestId'));
    if (found === null) throw new Refusal('session_not_found');
    return c.json(found, 200, { 'cache-control': 'no-store' });
  });

  app.openapi(keptManifest, async (c) => {
    const found = await sessionOf(c).original(c.get('requestId'));
    if (found === null) throw new Refusal('session_not_found');
    return c.json(manifestFrom(found.manifest), 200);
  });

  app.openapi(results, async (c) => {
    const { activation, email, code, cursor, limit } = c.req.valid('query');
    const query = { activation: activation ?? null, email: email ?? null, code: code ?? null, limit };
    const page = await resultPage(c.env, sessionOf(c), { ...query, cursor: cursor ?? null });
    noteLeadsShown(c, page.leads.filter((lead) => lead.email !== null).length);
    return c.json(page, 200);
  });

  app.openapi(resultsCsv, async (c) => {
    const { sessionId } = c.req.valid('param');
    const { activation, email, code } = c.req.valid('query');
    if ((await sessionOf(c).progress(c.get('requestId'))) === null) throw new Refusal('session_not_found');
    const query = { activation: activation ?? null, email: email ?? null, code: code ?? null };
    return c.body(csvOfResults(c.env, sessionOf(c), query), 200, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="${sessionId}.csv"`,
      'cache-control': 'no-store',
    });
  });

  app.openapi(pause, async (c) => c.json(await command(c, { kind: 'pause' }), 200));
  app.openapi(resume, async (c) => {
    await requireNoRecovery(c.env);
    return c.json(await command(c, { kind: 'resume' }), 200);
  });
  app.openapi(cancel, async (c) => c.json(await command(c, { kind: 'cancel' }), 200));
  app.openapi(undo, async (c) => c.json(await command(c, { kind: 'cancel', isUndo: true }), 200));
  app.openapi(startNow, async (c) => {
    await requireNoRecovery(c.env);
    return c.json(await command(c, { kind: 'startNow', startsAt: Date.now() + undoMs(c.env) }), 200);
  });
  app.openapi(reschedule, async (c) => {
    const { progress, manifestHash } = await carryOut(c, rescheduleOf(c.req.valid('json'), Date.now()));
    const { schedule, window } = progress;
    const times = { ...(schedule && { at: schedule.at, zone: schedule.zone }), ...(window && { window }) };
    // While a deploy is under way, an object of the version before does not give it.
    noteAudit(c, { detail: { ...times, manifestHash: manifestHash ?? null } });
    return c.json(progress, 200);
  });
  app.openapi(nextWave, async (c) => {
    await requireNoRecovery(c.env);
    const { after, hold } = c.req.valid('json');
    const seen = hold === undefined ? {} : { hold };
    const progress = await command(c, { kind: 'nextWave', after, ...seen, by: c.get('person').email });
    noteAudit(c, { detail: { after, ...seen } });
    return c.json(progress, 200);
  });
  app.openapi(check, async (c) => {
    await requireNoRecovery(c.env);
    return c.json(await command(c, { kind: 'check' }), 200);
  });
  app.openapi(assumeSent, async (c) => c.json(await command(c, { kind: 'assumeSent' }), 200));
  app.openapi(erase, async (c) => {
    const { sessionId } = c.req.valid('param');
    const answer = await sessionOf(c).erase(c.get('person').email, c.get('requestId'));
    if (answer.kind === 'refused') throw new Refusal('illegal_transition', answer.detail);
    if (answer.kind === 'unknown_session') {
      // An erasure that broke off may have left the line: this one ends it.
      const wasListed =
        (await wasDeleted(c.env.DB, sessionId)) && (await deleteActivation(c.env.DB, sessionId));
      if (!wasListed) throw new Refusal('session_not_found');
    }
    return c.body(null, 204);
  });
  app.openapi(retry, async (c) => {
    await requireNoRecovery(c.env);
    return c.json(await command(c, { kind: 'retry', outcome: c.req.valid('json').outcome }), 200);
  });
}

/** The manifest from its JSON. While a deploy is under way, an object of the version before does not give it. */
function manifestFrom(json: string | null | undefined): SessionManifest {
  return json == null ? { hash: null, manifest: null } : (JSON.parse(json) as SessionManifest);
}

function sessionOf(c: Context<AppEnv>) {
  return sessionStub(c.env, c.req.param('sessionId') ?? '');
}

async function command(c: Context<AppEnv>, wanted: Command): Promise<Progress> {
  return (await carryOut(c, wanted)).progress;
}

async function carryOut(c: Context<AppEnv>, wanted: Command) {
  const answer = await sessionOf(c).command(wanted, c.get('person').email, c.get('requestId'));
  if (answer.kind === 'unknown_session') throw new Refusal('session_not_found');
  if (answer.kind === 'refused') throw new Refusal('illegal_transition', answer.detail);
  return answer;
}

/** The tags of `If-None-Match`. An edge that compresses makes a tag weak; it is compared as a strong one. */
function tagsOf(ifNoneMatch: string | undefined): string[] {
  return ifNoneMatch?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? [];
}
