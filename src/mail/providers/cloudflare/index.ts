/**
 * Cloudflare Email Service as a provider: the binding EMAIL, without a key and without an API address.
 *
 * @module
 */
import { property } from '../../../runtime/answer.ts';
import { ready, refuse, type MailProvider } from '../provider.ts';
import { settings } from './settings.ts';
import { createCloudflareTransport, type SendEmailBinding } from './transport.ts';

export const cloudflare: MailProvider = {
  name: 'cloudflare',
  title: 'Cloudflare Email Service',
  keyWindowMs: null,
  settings,
  dns: { dkimSelector: 'cf2024-1', returnPath: 'cf-bounce' },
  transport: ({ env }) => {
    const binding = property(env, 'EMAIL');
    return binding === undefined
      ? refuse('send_email', 'Cloudflare needs a send_email binding in wrangler.toml.')
      : ready(createCloudflareTransport({ binding: binding as SendEmailBinding }));
  },
};
