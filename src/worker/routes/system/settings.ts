/**
 * `GET /crm/settings`: who is signed in, and the settings that every user sees. `GET /crm/settings/values`: all
 * settings, for who may configure the app. Invariant: no secret is in either, only whether it is set.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { batchCountUnderCap } from '../../../core/limits/daily-cap.ts';
import { countFailedEndpoints } from '../../../crm/event-endpoints.ts';
import { callWeight, mailTransport } from '../../../durable/mail-account.ts';
import { isCrmName } from '../../../crm/connections/index.ts';
import { crmSettings } from '../../../crm/connections/settings.ts';
import { isProviderName, providerSettings } from '../../../mail/providers/index.ts';
import { textSetting, type Setting } from '../../../shared/setting.ts';
import {
  approvalAbove,
  confirmAbove,
  dailyCap,
  gateConfig,
  maxBatchLeadCount,
  retentionDays,
  settings,
  takeBackDays,
  undoMs,
  warmUpPlan,
  type ProductSetting,
} from '../../../runtime/settings.ts';
import { dataJurisdiction } from '../../../durable/stubs.ts';
import { can } from '../../../shared/roles.ts';
import { settingsSchema, settingValuesSchema, type SettingValues } from '../../../shared/schemas/common.ts';
import { isLoopbackName } from '../../auth/access-settings.ts';
import { reportsDeliveries } from '../../operations/require-mail.ts';
import type { App } from '../../app-env.ts';
import { json } from '../../http/openapi.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { testInboxUrl } from '../mail/test-inbox.ts';

const getSettings = createRoute({
  method: 'get',
  path: '/crm/settings',
  operationId: 'getSettings',
  tags: ['service'],
  summary: 'Who you are and what the app is connected to',
  responses: {
    200: json('The settings.', settingsSchema),
    ...problems(),
  },
});

const getValues = createRoute({
  method: 'get',
  path: '/crm/settings/values',
  operationId: 'listSettingValues',
  tags: ['service'],
  summary: 'Every setting with its value; of a secret whether it is set',
  responses: { 200: json('The settings.', settingValuesSchema), ...problems() },
});

/** The settings of the product, of the mail providers and of the connected CRM. Local development sets the last group itself. */
const shownSettings: readonly (Omit<ProductSetting, 'group'> & { group: string })[] = [
  ...settings
    .filter(({ group }) => group !== 'Local development')
    // The runtime's table does not know the providers.
    .map((setting) => (setting.name === 'MAIL_PROVIDER' ? { ...setting, check: isProviderName } : setting)),
  ...providerSettings.map((setting) => ({
    ...setting,
    group: 'Mail',
    takenBy: ['start', 'deploy'] as const,
  })),
  ...crmSettings.map((setting) => ({
    ...setting,
    ...(setting.name === 'CRM_PROVIDER' ? { check: isCrmName } : {}),
    group: 'Connected CRM',
    takenBy: ['start', 'deploy'] as const,
  })),
];

function valueOf(
  env: Env,
  setting: Setting,
): Pick<SettingValues['settings'][number], 'value' | 'isSet' | 'problem'> {
  const text = textSetting(env, setting.name);
  const isSet = text !== '';
  return {
    value: isSet && !setting.isSecret ? text : null,
    isSet,
    // In local development these are addresses of this machine, which a deployment would refuse.
    problem: isSet && !isLoopbackUrl(text) ? (setting.check?.(text) ?? null) : null,
  };
}

function isLoopbackUrl(text: string): boolean {
  return URL.canParse(text) && isLoopbackName(new URL(text).hostname);
}

/** As a session that starts now divides its leads, but for templates so long that fewer fit. */
function mailSpeed(env: Env): { mailsPerCall: number; callsPerSecond: number } {
  const rate = gateConfig(env).maxRatePerSecond;
  const choice = mailTransport(env, Date.now);
  if (choice.kind === 'refused') return { mailsPerCall: 1, callsPerSecond: rate };
  const { transport } = choice;
  const most = Math.min(transport.maxBatch, maxBatchLeadCount(env) ?? transport.maxBatch);
  const mailsPerCall = batchCountUnderCap(most, dailyCap(env));
  return { mailsPerCall, callsPerSecond: rate / callWeight(transport, mailsPerCall) };
}

export function settingsRoutes(app: App): void {
  app.openapi(getValues, (c) =>
    c.json(
      {
        settings: shownSettings.map((setting) => ({
          name: setting.name,
          group: setting.group,
          meaning: setting.meaning,
          default: setting.default,
          isSecret: setting.isSecret,
          takenBy: [...setting.takenBy],
          ...valueOf(c.env, setting),
        })),
      },
      200,
    ),
  );

  app.openapi(getSettings, async (c) => {
    const { MAIL_PROVIDER, MAIL_FROM } = c.env;
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
          inboxUrl: testInboxUrl(c.env)?.href ?? null,
          reportsDeliveries: reportsDeliveries(c.env),
          isWarmingUp: warmUpPlan(c.env) !== null,
          ...mailSpeed(c.env),
        },
        activate: {
          confirmAbove: confirmAbove(c.env),
          approvalAbove: approvalAbove(c.env),
          undoSeconds: undoMs(c.env) / 1_000,
          takeBackDays: Math.min(takeBackDays(c.env), retentionDays(c.env)),
        },
        failedWebhookCount: can(role, 'configure') ? await countFailedEndpoints(c.env.DB) : 0,
      },
      200,
    );
  });
}
