/**
 * `POST /crm/activation/:sessionId/take-back`: makes leads new again that an activation which has ended set active;
 * and what that would do, with its hash.
 *
 * Owns the HTTP side only; the session does the rest.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { sessionStub } from '../../../durable/stubs.ts';
import { progressSchema } from '../../../shared/schemas/activation.ts';
import {
  hashedTakeBackManifestSchema,
  takeBackManifestRequestSchema,
  takeBackRequestSchema,
} from '../../../shared/schemas/take-back.ts';
import type { TakeBackManifest } from '../../../shared/take-back.ts';
import type { App } from '../../app-env.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { sessionIdParams } from '../../http/params.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { requireNoRecovery } from '../../operations/start-activation.ts';

const tags = ['activation'];

const codes = [
  ...bodyCodes,
  'session_not_found',
  'session_not_ended',
  'session_anonymized',
  'take_back_too_late',
  'illegal_transition',
  'recovery_open',
] as const;

const manifest = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/take-back/manifest',
  operationId: 'makeTakeBackManifest',
  tags,
  summary: 'What taking an activation back would do now, with its hash; changes nothing',
  request: { params: sessionIdParams, body: body(takeBackManifestRequestSchema) },
  responses: { 200: json('The manifest.', hashedTakeBackManifestSchema), ...problems(...codes) },
});

const takeBack = createRoute({
  method: 'post',
  path: '/crm/activation/{sessionId}/take-back',
  operationId: 'takeBackActivation',
  tags,
  summary:
    'Take an activation back: leads that it set active become new again where nothing else changed them',
  description:
    'Only after its end, for the days of `TAKE_BACK_DAYS`. Mail is not recalled, and none of the activation is sent again. `takeBack` of its progress shows how far it is. The same request again changes nothing.',
  request: { params: sessionIdParams, body: body(takeBackRequestSchema) },
  responses: { 200: json('Progress after it.', progressSchema), ...problems(...codes, 'take_back_changed') },
});

export function takeBackRoutes(app: App): void {
  app.openapi(manifest, async (c) => {
    await requireNoRecovery(c.env);
    const { sessionId } = c.req.valid('param');
    const { choice } = c.req.valid('json');
    const answer = await sessionStub(c.env, sessionId).takeBackForecast(choice, c.get('requestId'));
    if (answer.kind === 'unknown_session') throw new Refusal('session_not_found');
    if (answer.kind === 'refused') throw new Refusal(answer.code, answer.detail);
    return c.json({ hash: answer.manifestHash, manifest: answer.manifest }, 200);
  });

  app.openapi(takeBack, async (c) => {
    await requireNoRecovery(c.env);
    const { sessionId } = c.req.valid('param');
    const { choice, manifestHash } = c.req.valid('json');
    const wanted = { choice, manifestHash, by: c.get('person').email };
    const answer = await sessionStub(c.env, sessionId).takeBack(wanted, c.get('requestId'));
    switch (answer.kind) {
      case 'ok': {
        const { isNew, progress } = answer;
        noteAudit(c, isNew && { detail: { choice, manifestHash, leads: progress.takeBack?.leads ?? 0 } });
        return c.json(progress, 200);
      }
      case 'changed':
        throw new Refusal('take_back_changed', changedDetail(answer.manifest));
      case 'unknown_session':
        throw new Refusal('session_not_found');
      case 'refused':
        throw new Refusal(answer.code, answer.detail);
      default:
        return answer satisfies never;
    }
  });
}

function changedDetail({ reverted, kept }: TakeBackManifest): string {
  return `Nothing was changed. By now ${reverted.count} leads would become new again, and ${kept} would stay because something else has changed them since.`;
}
