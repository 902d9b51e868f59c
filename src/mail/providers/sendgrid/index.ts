/**
 * Twilio SendGrid as a provider: https://www.twilio.com/docs/sendgrid.
 *
 * @module
 */
import { ready, refuse, type MailProvider } from '../provider.ts';
import { textSetting } from '../../../shared/setting.ts';
import { settings } from './settings.ts';
import { createSendgridTransport } from './transport.ts';
import { webhook } from './webhook.ts';

const apiUrl = 'https://api.sendgrid.com';

export const sendgrid: MailProvider = {
  name: 'sendgrid',
  title: 'SendGrid',
  apiUrl,
  keyWindowMs: null,
  settings,
  webhook,
  transport: (config, effects) =>
    config.apiKey === ''
      ? refuse('MAIL_API_KEY', 'SendGrid needs MAIL_API_KEY, an API key with the permission Mail Send.')
      : ready(
          createSendgridTransport({
            apiUrl: config.apiUrl || apiUrl,
            apiKey: config.apiKey,
            templateId: textSetting(config.env, 'MAIL_SENDGRID_TEMPLATE') || null,
            ...effects,
          }),
        ),
};
