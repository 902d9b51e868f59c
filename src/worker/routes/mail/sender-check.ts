/**
 * `GET /crm/sender-check`: whether mail can be sent, and whether it would arrive.
 *
 * Invariant: the answer says which settings are set; no key and no secret leaves the Worker.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { findProvider } from '../../../mail/providers/index.ts';
import { textSetting } from '../../../shared/setting.ts';
import { isStandIn } from '../../../mail/readiness.ts';
import { domainOf } from '../../../mail/templates/render.ts';
import { lookUpSender, type DnsFinding } from '../../../mail/sender-dns.ts';
import { senderCheckSchema, type SenderCheck } from '../../../shared/schemas/mail.ts';
import type { App } from '../../app-env.ts';
import { mailFaults, sendingSettings } from '../../operations/require-mail.ts';
import { json } from '../../http/openapi.ts';
import { problems } from '../../http/problem.ts';

const getCheck = createRoute({
  method: 'get',
  path: '/crm/sender-check',
  operationId: 'checkSender',
  tags: ['service'],
  summary: 'Whether mail can be sent, and whether it would arrive',
  responses: {
    200: json('The findings.', senderCheckSchema),
    ...problems(),
  },
});

type Check = SenderCheck['checks'][number];

/** The settings that are checked, with the words for one without a fault. */
const settings = [
  { id: 'MAIL_PROVIDER', title: 'Email provider', detail: 'A provider is set.' },
  {
    id: 'MAIL_API_KEY',
    title: 'API key',
    detail: 'API key set. Send a test to check it.',
  },
  { id: 'MAIL_API_URL', title: 'API address', detail: 'Matches your provider.' },
  { id: 'MAIL_FROM', title: 'Sender', detail: 'A sender is set.' },
  { id: 'MAIL_POSTAL_ADDRESS', title: 'Postal address', detail: 'Shown in the footer of every email.' },
  { id: 'PUBLIC_URL', title: 'Public address', detail: 'Recipients reach the unsubscribe page there.' },
] as const;

const dnsTitles = { spf: 'SPF', dkim: 'DKIM', dmarc: 'DMARC' } as const satisfies Record<
  DnsFinding['id'],
  string
>;

export function senderCheckRoutes(app: App): void {
  app.openapi(getCheck, async (c) => {
    const sending = sendingSettings(c.env);
    const standIn = isStandIn(sending);
    const missing = mailFaults(c.env);
    const domain = domainOf(sending.from);
    const checks: Check[] = settings.map(({ id, title, detail }) => {
      const fault = missing.find(({ setting }) => setting === id);
      if (fault !== undefined)
        return { id, title, status: 'missing', detail: fault.message, isRequired: true };
      const isNeeded = !standIn || (id !== 'MAIL_POSTAL_ADDRESS' && id !== 'PUBLIC_URL');
      return isNeeded
        ? { id, title, status: 'ok', detail, isRequired: true }
        : {
            id,
            title,
            status: 'not_needed',
            detail: 'Required before sending real email.',
            isRequired: false,
          };
    });
    // Shown only while they are at fault.
    for (const [id, title] of [
      ['send_email', 'Binding'],
      ['MAIL_DAILY_CAP', 'Daily cap'],
      ['MAIL_WARM_UP', 'Warm-up'],
    ] as const) {
      const fault = missing.find(({ setting }) => setting === id);
      if (fault !== undefined)
        checks.push({ id, title, status: 'missing', detail: fault.message, isRequired: true });
    }
    checks.push(webhookCheck(c.env, standIn));
    const findings =
      standIn || domain === ''
        ? []
        : await lookUpSender((url, init) => fetch(url, init), { domain, provider: sending.provider });
    for (const { id, status, detail } of findings) {
      checks.push({ id, title: dnsTitles[id], status, detail, isRequired: false });
    }
    const isReady = missing.length === 0;
    return c.json({ isStandIn: standIn, isReady, domain, provider: sending.provider, checks }, 200, {
      'cache-control': 'no-store',
    });
  });
}

/** Mail is sent without webhooks too, but bounces stay unknown, and the reputation guard has no numbers. */
function webhookCheck(env: Env, standIn: boolean): Check {
  const common = { id: 'webhooks', title: 'Webhooks', isRequired: false } as const;
  const webhook = findProvider(env.MAIL_PROVIDER)?.webhook;
  if (webhook === undefined) {
    return {
      ...common,
      status: 'warning',
      detail:
        'There are no delivery reports from this provider. Look for bounces and complaints on its own pages.',
    };
  }
  if (textSetting(env, webhook.proof.setting) !== '') {
    return {
      ...common,
      status: 'ok',
      detail: 'Delivery reports are on.',
    };
  }
  if (standIn) return { ...common, status: 'not_needed', detail: 'No delivery reports in test mode.' };
  return {
    ...common,
    status: 'warning',
    detail: `${webhook.proof.setting} is not set. Without reports of bounces and complaints, the reputation guard cannot pause an activation.`,
  };
}
