/**
 * Mailgun as a provider: https://documentation.mailgun.com/docs/mailgun.
 *
 * @module
 */
import { ready, refuse, type MailProvider } from '../provider.ts';
import { textSetting } from '../../../shared/setting.ts';
import { settings } from './settings.ts';
import { createMailgunTransport } from './transport.ts';
import { webhook } from './webhook.ts';

const apiUrl = 'https://api.mailgun.net';

export const mailgun: MailProvider = {
  name: 'mailgun',
  title: 'Mailgun',
  apiUrl,
  keyWindowMs: null,
  settings,
  webhook,
  transport: (config, effects) => {
    const domain = textSetting(config.env, 'MAIL_MAILGUN_DOMAIN');
    if (config.apiKey === '')
      return refuse('MAIL_API_KEY', 'Mailgun needs MAIL_API_KEY, a sending key of the domain.');
    if (domain === '')
      return refuse('MAIL_MAILGUN_DOMAIN', 'Mailgun needs MAIL_MAILGUN_DOMAIN, such as mg.acme.com.');
    return ready(
      createMailgunTransport({
        apiUrl: config.apiUrl || apiUrl,
        domain,
        apiKey: config.apiKey,
        ...effects,
      }),
    );
  },
};
