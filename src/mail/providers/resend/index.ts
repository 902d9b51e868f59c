/**
 * Resend as a provider: https://resend.com/docs.
 *
 * @module
 */
import { ready, refuse, type MailProvider } from '../provider.ts';
import { settings } from './settings.ts';
import { createResendTransport, resendKeyWindowMs } from './transport.ts';
import { webhook } from './webhook.ts';

const apiUrl = 'https://api.resend.com';

export const resend: MailProvider = {
  name: 'resend',
  title: 'Resend',
  apiUrl,
  keyWindowMs: resendKeyWindowMs,
  settings,
  webhook,
  dns: { dkimSelector: 'resend', returnPath: 'send' },
  transport: (config, effects) =>
    config.apiKey === ''
      ? refuse('MAIL_API_KEY', 'Resend needs MAIL_API_KEY, an API key that may send.')
      : ready(createResendTransport({ apiUrl: config.apiUrl || apiUrl, apiKey: config.apiKey, ...effects })),
};
