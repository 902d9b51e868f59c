/**
 * `/crm/activation`: start, watch and command sessions (docs/PROTOCOL.md).
 *
 * Owns: turning a request into what a session needs: a frozen audience, template and mail settings.
 * Never: progress; that is the session object's.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { batchCountInBounds, batchLeadCount } from '../../../core/batch/batch.ts';
import { batchCountUnderCap, readDailyCap } from '../../../core/limits/daily-cap.ts';
import type { Command } from '../../../core/session/command.ts';
import type { SessionSpec } from '../../../core/session/session.ts';
import { countAudience, resolveAudience, sampleAudience } from '../../../crm/audience.ts';
import { countRunning, listActivations } from '../../../crm/activations.ts';
import { openRecovery } from '../../../crm/recovery.ts';
import { mailTransport } from '../../../durable/mail/mail-account.ts';
import { sessionStub } from '../../../durable/stubs.ts';
import { compileTemplate, senderNameOf } from '../../../mail/templates/render.ts';
import { limits } from '../../../shared/limits.ts';
import type { FrozenTemplate } from '../../../shared/recipient.ts';
import { sha256Hex } from '../../../shared/sha256.ts';
import { activationStates, emailStates, type Progress } from '../../../shared/progress.ts';
import {
  activationListSchema,
  activationPreviewRequestSchema,
  activationPreviewSchema,
  activationStartRequestSchema,
  activationViews,
  issueListSchema,
  leadResultPageSchema,
  progressSchema,
  retryRequestSchema,
  type ActivationPreviewRequest,
} from '../../../shared/schemas/activation.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { mailSettings, requireMail } from '../../operations/require-mail.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { undoMs } from '../../operations/activate-settings.ts';
import { requireSimpleFilter } from '../../http/filter-bound.ts';
import { cursorQuery, limitQuery, sessionIdParams } from '../../http/params.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { csvOfResults, resultPage } from '../../operations/results.ts';
import { requireTemplate } from '../../operations/templates.ts';

const tags = ['activation'];

const start = createRoute({
  method: 'post',
  path: '/crm/activation',
  tags,
  summary: 'Start an activation',
  description:
    'The session id is the idempotency key: the same request again answers 200 with the same session.',
  request: { body: body(activationStartRequestSchema) },
  responses: {
    201: {
      ...json('It is started.', progressSchema),
      headers: z.object({ location: z.string().openapi({ description: 'Where its progress is.' }) }),
    },
    200: json('This very request had started it before.', progressSchema),
    ...problems(
      ...bodyCodes,
      'empty_audience',
      'unknown_leads',
      'unknown_template',
      'filter_too_complex',
      'session_conflict',
      'session_erased',
      'mail_not_configured',
      'recovery_open',
      'too_many_sessions',
    ),
  },
});

const preview = createRoute({
  method: 'post',
  path: '/crm/activation/preview',
  tags,
  summary: 'What a start would do; changes nothing',
  request: { body: body(activationPreviewRequestSchema) },
  responses: {
    200: json('How many leads it would touch, and some mails.', activationPreviewSchema),
    ...problems(...bodyCodes, 'empty_audience', 'unknown_leads', 'unknown_template', 'filter_too_complex'),
  },
});

const history = createRoute({
  method: 'get',
  path: '/crm/activation',
  tags,
  summary: 'All activations, newest first',
  description: 'Of a running one this is the last word that was recorded; its progress has the newest.',
  request: {
    query: z.object({
      search: z.string().max(limits.maxSearchLength).optional(),
      view: z.enum(activationViews).optional().openapi({ description: 'Only this part of the list.' }),
      mine: z.enum(['true']).optional().openapi({ description: 'Only those that you started.' }),
      cursor: cursorQuery,
      limit: limitQuery(20, 100),
    }),
  },
  responses: {
    200: json('One page.', activationListSchema),
    ...problems('invalid_request', 'invalid_cursor'),
  },
});

const getProgress = createRoute({
  method: 'get',
  path: '/crm/activation/progress/{sessionId}',
  tags,
  summary: 'Progress of an activation',
  description: 'The ETag is its revision; with If-None-Match an unchanged one is 304.',
  request: { params: sessionIdParams },
  responses: {
    200: json('Progress.', progressSchema),
    304: { description: 'Nothing has changed.' },
    ...problems('invalid_request', 'session_not_found'),
  },
});

const stream = createRoute({
  method: 'get',
  path: '/crm/activation/stream/{sessionId}',
  tags,
  summary: 'Progress as server-sent events',
  description:
    'Events `progress`, `issues`, `end`, `deleted`. After `end` the server closes and the client must not come back.',
  request: { params: sessionIdParams },
  responses: {
    200: { description: 'The stream.', content: { 'text/event-stream': { schema: z.string() } } },
    ...problems('invalid_request', 'session_not_found', 'too_many_readers'),
  },
});

const issues = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/issues',
  tags,
  summary: 'What went wrong, counted by reason',
  request: { params: sessionIdParams },
  responses: {
    200: json('The issues.', issueListSchema),
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
  tags,
  summary: 'What became of each lead, in pages',
  description: 'A page may hold fewer leads than its limit and still have a next one.',
  request: {
    params: sessionIdParams,
    query: z.object({
      ...resultFilter,
      cursor: cursorQuery,
      limit: limitQuery(limits.defaultPageLeadCount, limits.maxPageLeadCount),
    }),
  },
  responses: {
    200: json('One page.', leadResultPageSchema),
    ...problems('invalid_request', 'invalid_cursor', 'session_not_found'),
  },
});

const resultsCsv = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/leads.csv',
  tags,
  summary: 'What became of each lead, as a CSV file',
  request: { params: sessionIdParams, query: z.object(resultFilter) },
  responses: {
    200: { description: 'All of them.', content: { 'text/csv': { schema: z.string() } } },
    ...problems('invalid_request', 'session_not_found'),
  },
});

const commandRoute = <Path extends string>(path: Path, summary: string) =>
  createRoute({
    method: 'post',
    path: `/crm/activation/{sessionId}/${path}` as const,
    tags,
    summary,
    request: { params: sessionIdParams },
    responses: {
      200: json('Progress after it; the same command again changes nothing.', progressSchema),
      ...problems('invalid_request', 'session_not_found', 'illegal_transition', 'recovery_open'),
    },
  });

const pause = commandRoute('pause', 'Pause: no new mail leaves, what is on its way settles');
const resume = commandRoute('resume', 'Go on with a paused activation');
const cancel = commandRoute('cancel', 'Cancel: the rest is skipped, what is on its way settles');
const undo = commandRoute(
  'undo',
  'Undo a start: only before `startsAt`, while no lead and no inbox has been touched',
);
const check = commandRoute(
  'check',
  'Ask the mail provider about unknown mail, under its keys (which sends what had not left)',
);
const assumeSent = commandRoute('assume-sent', 'Take all unknown mail for sent');

const erase = createRoute({
  method: 'delete',
  path: '/crm/activation/{sessionId}',
  tags,
  summary: 'Erase an activation that has ended or is paused',
  description:
    'All that it knew is gone, its numbers too; its streams end with `deleted`. A paused one is cancelled first: leads that it set active and did not mail are new again. While that takes longer than a call it is 409, and is asked for again when the activation has ended.',
  request: { params: sessionIdParams },
  responses: {
    204: { description: 'It is erased.' },
    ...problems('invalid_request', 'session_not_found', 'illegal_transition'),
  },
});

const retry = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/retry',
  tags,
  summary: 'Mail again what failed, or what is unknown (which may send it twice)',
  request: { params: sessionIdParams, body: body(retryRequestSchema) },
  responses: {
    200: json('Progress after it.', progressSchema),
    ...problems(...bodyCodes, 'session_not_found', 'illegal_transition', 'recovery_open'),
  },
});

export function activationRoutes(app: App): void {
  app.openapi(start, async (c) => {
    const request = c.req.valid('json');
    const { sessionId, ...rest } = request;
    const location = `/crm/activation/progress/${sessionId}`;
    const session = sessionStub(c.env, sessionId);
    const fingerprint = await sha256Hex(JSON.stringify(rest));
    // Before anything else: a repeat must find its session even if the leads have changed since.
    const found = await session.find(fingerprint, c.get('requestId'));
    if (found?.kind === 'conflict') throw new Refusal('session_conflict');
    if (found?.kind === 'erased') throw new Refusal('session_erased');
    if (found !== null) {
      noteAudit(c, false);
      return c.json(found.progress, 200, { location });
    }
    await requireNoRecovery(c.env);
    const owner = c.get('person').email;
    if ((await countRunning(c.env.DB, owner)) >= limits.maxRunningSessionCount) {
      throw new Refusal('too_many_sessions', `At most ${limits.maxRunningSessionCount} may run at once.`);
    }

    const template = await requireTemplate(c.env, rest.templateId);
    requireMail(c.env);
    const transport = mailTransport(c.env, Date.now);
    if (transport.kind === 'refused') throw new Refusal('mail_not_configured', transport.message);
    const createdAt = Date.now();
    const audience = await requireAudience(c.env, rest);
    const spec: SessionSpec = {
      sessionId,
      name: rest.name ?? template.name,
      owner,
      fingerprint,
      audience: rest.audience,
      template,
      mail: mailSettings(c.env, c.req.url),
      provider: transport.transport.name,
      batchLeadCount: batchCountUnderCap(
        batchCountInBounds(
          batchLeadCount(transport.transport.maxBatch, c.env.MAIL_BATCH_MAX),
          template.subject.length + template.html.length + template.text.length,
          customFieldCountOf(template),
        ),
        readDailyCap(c.env.MAIL_DAILY_CAP),
      ),
      maxLeadId: audience.maxLeadId,
      total: audience.total,
      revision: audience.revision,
      createdAt,
      // From here on, so that a count that took long takes nothing of it.
      startsAt: Date.now() + undoMs(c.env),
    };
    const started = await session.start(spec, c.get('requestId'));
    if (started.kind === 'conflict') throw new Refusal('session_conflict');
    if (started.kind === 'erased') throw new Refusal('session_erased');
    noteAudit(c, { target: sessionId, detail: { total: audience.total, template: template.id } });
    return c.json(started.progress, started.kind === 'started' ? 201 : 200, { location });
  });

  app.openapi(preview, async (c) => {
    const request = c.req.valid('json');
    const template = await requireTemplate(c.env, request.templateId);
    await requireAudience(c.env, request);
    const compiled = compileTemplate(template);
    if (compiled.kind === 'refused') throw new Error(compiled.message);
    const { customFields } = compiled;
    const [counts, recipients] = await Promise.all([
      countAudience(c.env.DB, request.audience),
      sampleAudience(c.env.DB, request.audience, limits.maxPreviewSampleCount, customFields),
    ]);
    const mail = mailSettings(c.env, c.req.url);
    const sample = recipients.flatMap((recipient) => {
      const rendered = compiled.render(recipient, {
        senderName: senderNameOf(mail.from),
        actionUrl: mail.actionUrl,
        // Not the real one: who looks at a preview must not be able to unsubscribe the lead.
        unsubscribeUrl: mail.publicUrl === null ? null : `${mail.publicUrl}/unsubscribe/preview`,
        postalAddress: mail.postalAddress,
      });
      if (rendered.kind === 'refused') return [];
      const { subject, html, text } = rendered;
      return [{ leadId: recipient.leadId, to: recipient.email, subject, html, text }];
    });
    noteLeadsShown(c, sample.length);
    return c.json({ ...counts, sample }, 200);
  });

  app.openapi(history, async (c) => {
    const { search, view, mine, cursor, limit } = c.req.valid('query');
    const answer = await listActivations(c.env.DB, {
      cursor: cursor ?? null,
      limit,
      ...(search === undefined ? {} : { search }),
      ...(view === undefined ? {} : { view }),
      ...(mine === undefined ? {} : { owner: c.get('person').email }),
    });
    if (answer.kind === 'invalid_cursor') throw new Refusal('invalid_cursor');
    return c.json(answer.list, 200);
  });

  app.openapi(getProgress, async (c) => {
    const progress = await sessionOf(c).progress(c.get('requestId'));
    if (progress === null) throw new Refusal('session_not_found');
    const etag = etagOf(progress);
    const headers = { etag, 'cache-control': 'no-cache' };
    if (isSameEtag(c.req.header('if-none-match'), etag)) return c.body(null, 304, headers);
    return c.json(progress, 200, headers);
  });

  app.openapi(stream, async (c) => {
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
  });

  app.openapi(issues, async (c) => {
    const list = await sessionOf(c).issues(c.get('requestId'));
    if (list === null) throw new Refusal('session_not_found');
    return c.json(list, 200);
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
  app.openapi(check, async (c) => {
    await requireNoRecovery(c.env);
    return c.json(await command(c, { kind: 'check' }), 200);
  });
  app.openapi(assumeSent, async (c) => c.json(await command(c, { kind: 'assumeSent' }), 200));
  app.openapi(erase, async (c) => {
    const answer = await sessionOf(c).erase(c.get('person').email, c.get('requestId'));
    if (answer.kind === 'refused') throw new Refusal('illegal_transition', answer.detail);
    if (answer.kind === 'unknown_session') throw new Refusal('session_not_found');
    return c.body(null, 204);
  });
  app.openapi(retry, async (c) => {
    await requireNoRecovery(c.env);
    return c.json(await command(c, { kind: 'retry', outcome: c.req.valid('json').outcome }), 200);
  });
}

function sessionOf(c: Context<AppEnv>) {
  return sessionStub(c.env, c.req.param('sessionId') ?? '');
}

async function command(c: Context<AppEnv>, wanted: Command): Promise<Progress> {
  const answer = await sessionOf(c).command(wanted, c.get('person').email, c.get('requestId'));
  if (answer.kind === 'unknown_session') throw new Refusal('session_not_found');
  if (answer.kind === 'refused') throw new Refusal('illegal_transition', answer.detail);
  return answer.progress;
}

/** Nothing is mailed while the database has leads as new that sessions have mailed. */
async function requireNoRecovery(env: Env): Promise<void> {
  if ((await openRecovery(env.DB)) === null) return;
  throw new Refusal(
    'recovery_open',
    'An admin has to run `npm run reconcile` (docs/RECOVERY.md); until then somebody could be mailed twice.',
  );
}

async function requireAudience(
  env: Env,
  { audience }: ActivationPreviewRequest,
): Promise<{ maxLeadId: number; total: number; revision: number }> {
  if ('filter' in audience) requireSimpleFilter(audience.filter);
  const resolved = await resolveAudience(env.DB, audience);
  if (resolved.kind === 'empty') throw new Refusal('empty_audience', 'No lead matches; nothing was started.');
  if (resolved.kind === 'unknown_leads') {
    const shown = resolved.leadIds.slice(0, 10).join(', ');
    const more = resolved.leadIds.length > 10 ? ` and ${resolved.leadIds.length - 10} more` : '';
    throw new Refusal('unknown_leads', `These ids are of no lead: ${shown}${more}. Nothing was started.`);
  }
  return resolved;
}

/** The rev, and whether it stalls: the one thing that a reader must hear of though nothing was written. */
function etagOf(progress: Progress): string {
  return `"${progress.rev}${progress.stalledSince === null ? '' : '-stalled'}"`;
}

/** True when `If-None-Match` has this tag; an edge that compresses makes it a weak one, which says as much here. */
function isSameEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/** Custom fields that each recipient of the template is frozen with. */
function customFieldCountOf(template: FrozenTemplate): number {
  const compiled = compileTemplate(template);
  return compiled.kind === 'refused' ? 0 : compiled.customFields.length;
}
