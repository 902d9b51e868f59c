/**
 * Postmark as a provider: https://postmarkapp.com/developer.
 *
 * @module
 */
import { ready, refuse, type MailProvider } from '../provider.ts';
import { textSetting } from '../../../shared/setting.ts';
import { settings } from './settings.ts';
import { createPostmarkTransport } from './transport.ts';
import { webhook } from './webhook.ts';

const apiUrl = 'https://api.postmarkapp.com';

export const postmark: MailProvider = {
  name: 'postmark',
  title: 'Postmark',
  apiUrl,
  keyWindowMs: null,
  settings,
  webhook,
  transport: (config, effects) =>
    config.apiKey === ''
      ? refuse('MAIL_API_KEY', 'Postmark needs MAIL_API_KEY, the token of a server.')
      : ready(
          createPostmarkTransport({
            apiUrl: config.apiUrl || apiUrl,
            serverToken: config.apiKey,
            messageStream: textSetting(config.env, 'MAIL_MESSAGE_STREAM') || 'broadcast',
            ...effects,
          }),
        ),
};
