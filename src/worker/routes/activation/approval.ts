/**
 * `/crm/activation/:sessionId/approval`, `…/approve`, `…/reject`: the approval of an activation by another person.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { undoMs } from '../../../runtime/settings.ts';
import { progressSchema } from '../../../shared/schemas/activation.ts';
import {
  approvalRequestSchema,
  approveRequestSchema,
  rejectRequestSchema,
} from '../../../shared/schemas/approval.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { sessionIdParams } from '../../http/params.ts';
import { problems } from '../../http/problem.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';
import { approvalRequest, decideApproval, type Verdict } from '../../operations/approval.ts';
import { requireNoRecovery } from '../../operations/start-activation.ts';

const tags = ['activation'];

const request = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/approval',
  operationId: 'getActivationApproval',
  tags,
  summary: 'What an approver looks at',
  description:
    'Mails to some of its leads, what has changed since it was asked for, and the difference to the last activation like it. The manifest is at `…/manifest`.',
  request: { params: sessionIdParams },
  responses: {
    200: json('The request for an approval.', approvalRequestSchema),
    ...problems('invalid_request', 'session_not_found', 'approval_decided'),
  },
});

const verdictCodes = [
  ...bodyCodes,
  'session_not_found',
  'own_approval',
  'manifest_changed',
  'approval_decided',
] as const;

const approve = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/approve',
  operationId: 'approveActivation',
  tags,
  summary: 'Approve what somebody else has started, by the hash of its manifest',
  description:
    'It then begins, or is `scheduled` where it has a start time. Refused with `manifest_changed` where the same request would come to something else by now.',
  request: { params: sessionIdParams, body: body(approveRequestSchema) },
  responses: {
    200: json('Progress after it; a repeat changes nothing.', progressSchema),
    ...problems(
      ...verdictCodes,
      'empty_audience',
      'unknown_leads',
      'unknown_template',
      'invalid_template',
      'mail_not_configured',
      'crm_not_configured',
      'recovery_open',
    ),
  },
});

const reject = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/reject',
  operationId: 'rejectActivation',
  tags,
  summary: 'Reject what somebody else has started: it is cancelled, and nothing was done',
  request: { params: sessionIdParams, body: body(rejectRequestSchema) },
  responses: {
    200: json('Progress after it; a repeat changes nothing.', progressSchema),
    ...problems(...verdictCodes),
  },
});

export function approvalRoutes(app: App): void {
  app.openapi(request, async (c) => {
    const found = await approvalRequest(c.env, askOf(c));
    noteLeadsShown(c, found.sample.length);
    return c.json(found, 200, { 'cache-control': 'no-store' });
  });
  app.openapi(approve, async (c) => {
    await requireNoRecovery(c.env);
    const { manifestHash } = c.req.valid('json');
    return c.json(
      await decide(c, { kind: 'approve', manifestHash, startsAt: Date.now() + undoMs(c.env) }),
      200,
    );
  });
  app.openapi(reject, async (c) => c.json(await decide(c, { kind: 'reject', ...c.req.valid('json') }), 200));
}

const askOf = (c: Context<AppEnv>) => ({
  sessionId: c.req.param('sessionId') ?? '',
  requestId: c.get('requestId'),
  requestUrl: c.req.url,
});

async function decide(c: Context<AppEnv>, verdict: Verdict) {
  const progress = await decideApproval(c.env, askOf(c), verdict, c.get('person').email);
  // Not the reason: it may name somebody, and the audit is kept.
  noteAudit(c, { detail: { manifestHash: verdict.manifestHash } });
  return progress;
}
