/**
 * `GET /crm/settings`: who is signed in, and the settings that the app shows. No key is among them.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { confirmAbove, gateConfig, retentionDays, undoMs } from '../../../runtime/settings.ts';
import { dataJurisdiction } from '../../../durable/stubs.ts';
import { settingsSchema } from '../../../shared/schemas/common.ts';
import type { App } from '../../app-env.ts';
import { json } from '../../http/openapi.ts';
import { problems, Refusal } from '../../http/problem.ts';

const getSettings = createRoute({
  method: 'get',
  path: '/crm/settings',
  tags: ['service'],
  summary: 'Who you are and what the app is connected to',
  responses: {
    200: json('The settings.', settingsSchema),
    ...problems(),
  },
});

export function settingsRoutes(app: App): void {
  app.openapi(getSettings, (c) => {
    const { MAIL_PROVIDER, MAIL_FROM, MAIL_INBOX_URL } = c.env;
    const { email, name, role } = c.get('person');
    if (role === null) throw new Refusal('forbidden');
    return c.json(
      {
        user: { email, name, role },
        retentionDays: retentionDays(c.env),
        dataJurisdiction: dataJurisdiction(c.env),
        mail: {
          provider: MAIL_PROVIDER,
          from: MAIL_FROM,
          inboxUrl: MAIL_INBOX_URL === '' ? null : MAIL_INBOX_URL,
          callsPerSecond: gateConfig(c.env).maxRatePerSecond,
        },
        activate: { confirmAbove: confirmAbove(c.env), undoSeconds: undoMs(c.env) / 1_000 },
      },
      200,
    );
  });
}
