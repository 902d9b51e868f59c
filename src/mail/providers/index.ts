/**
 * Which transport sends, chosen by settings. What a setting lacks is said in a sentence, before a run starts.
 *
 * @module
 */
import { createCloudflareTransport, type SendEmailBinding } from './cloudflare/transport.ts';
import type { FetchLike } from './http.ts';
import { createPostmarkTransport } from './postmark/transport.ts';
import { createResendTransport, resendKeyWindowMs } from './resend/transport.ts';
import { createSesTransport } from './ses/transport.ts';
import type { MailTransport } from '../transport.ts';

/** Settings as they come from the environment; an empty or missing text is not set. */
export interface MailConfig {
  provider: string;
  /** `Name <address>` or an address. */
  from: string;
  /** Where the provider's API is; not set: its public address. */
  apiUrl?: string | undefined;
  /** For SES: `<access key id>:<secret access key>`. */
  apiKey?: string | undefined;
  /** SES only; not set: taken from `apiUrl`. */
  region?: string | undefined;
  /** SES only. */
  configurationSet?: string | undefined;
  /** Postmark only; not set: `broadcast`. */
  messageStream?: string | undefined;
  /** The `send_email` binding; Cloudflare only. */
  binding?: SendEmailBinding | undefined;
}

/** Handed in, so that tests decide what time it is and who answers. */
export interface MailEffects {
  fetch: FetchLike;
  /** Epoch milliseconds. */
  now: () => number;
}

export type TransportChoice =
  | { kind: 'ready'; transport: MailTransport }
  /** `missing` names the settings at fault; `message` is for a person. */
  | { kind: 'refused'; missing: string[]; message: string };

const mailProviders = ['resend', 'postmark', 'ses', 'cloudflare'] as const;

const publicUrls = { resend: 'https://api.resend.com', postmark: 'https://api.postmarkapp.com' } as const;

/**
 * Makes the transport that the settings ask for, or says what they lack.
 *
 * @example
 * createTransport({ provider: 'resend', apiKey: env.MAIL_API_KEY }, { fetch: (url, init) => fetch(url, init), now: Date.now })
 */
export function createTransport(config: MailConfig, { fetch, now }: MailEffects): TransportChoice {
  const provider = mailProviders.find((name) => name === config.provider);
  // A secret put in from a file often ends in a newline, which no header takes.
  const apiKey = config.apiKey?.trim() ?? '';
  const apiUrl = config.apiUrl?.trim() ?? '';
  if (provider === undefined) {
    return refuse(['MAIL_PROVIDER'], `MAIL_PROVIDER must be one of ${mailProviders.join(', ')}.`);
  }
  if (provider !== 'cloudflare' && apiUrl !== '' && !isHttpUrl(apiUrl)) {
    return refuse(['MAIL_API_URL'], 'MAIL_API_URL must be an http or https address.');
  }
  // The address of one provider left behind by a change to another: every key would be sent to the wrong one.
  const owner = Object.entries(publicUrls).find(([, url]) => apiUrl.startsWith(url))?.[0];
  if (provider !== 'cloudflare' && owner !== undefined && owner !== provider) {
    return refuse(
      ['MAIL_API_URL'],
      `MAIL_API_URL is the address of ${owner}, but MAIL_PROVIDER is ${provider}.`,
    );
  }
  if (!isSender(config.from)) {
    return refuse(
      ['MAIL_FROM'],
      'MAIL_FROM must be an address, or a name and an address: Acme <hello@acme.com>.',
    );
  }
  switch (provider) {
    case 'resend':
      if (apiKey === '')
        return refuse(['MAIL_API_KEY'], 'Resend needs MAIL_API_KEY, an API key that may send.');
      return ready(createResendTransport({ apiUrl: apiUrl || publicUrls.resend, apiKey, fetch, now }));
    case 'postmark':
      if (apiKey === '')
        return refuse(['MAIL_API_KEY'], 'Postmark needs MAIL_API_KEY, the token of a server.');
      return ready(
        createPostmarkTransport({
          apiUrl: apiUrl || publicUrls.postmark,
          serverToken: apiKey,
          messageStream: config.messageStream || 'broadcast',
          fetch,
          now,
        }),
      );
    case 'ses': {
      const [, accessKeyId = '', secretAccessKey = ''] = /^([^:\s]+):(\S+)$/.exec(apiKey) ?? [];
      if (accessKeyId === '') {
        return refuse(['MAIL_API_KEY'], 'SES needs MAIL_API_KEY as <access key id>:<secret access key>.');
      }
      const region =
        config.region || (/^https:\/\/email\.([a-z0-9-]+)\.amazonaws\.com/.exec(apiUrl)?.[1] ?? '');
      if (region === '') {
        return refuse(
          ['MAIL_API_URL'],
          'SES needs MAIL_API_URL, such as https://email.eu-west-1.amazonaws.com.',
        );
      }
      return ready(
        createSesTransport({
          apiUrl: apiUrl || `https://email.${region}.amazonaws.com`,
          region,
          accessKeyId,
          secretAccessKey,
          configurationSet: config.configurationSet || null,
          fetch,
          now,
        }),
      );
    }
    case 'cloudflare':
      if (config.binding === undefined) {
        return refuse(['send_email'], 'Cloudflare needs a send_email binding in wrangler.toml.');
      }
      return ready(createCloudflareTransport({ binding: config.binding }));
    default:
      return provider satisfies never;
  }
}

/** How long a provider remembers the keys of its calls; null: it has none. */
export function keyWindowMs(provider: string): number | null {
  return provider === 'resend' ? resendKeyWindowMs : null;
}

function ready(transport: MailTransport): TransportChoice {
  return { kind: 'ready', transport };
}

function refuse(missing: string[], message: string): TransportChoice {
  return { kind: 'refused', missing, message };
}

/** `a@b.c` or `Name <a@b.c>`; whether the domain may be sent from is the provider's word. */
function isSender(from: string): boolean {
  const address = /^[^<>\r\n]*<([^<>]+)>$/.exec(from.trim())?.[1] ?? from.trim();
  return /^[^\s@<>",;:]+@[^\s@<>",;:]+\.[^\s@<>",;:.]+$/.test(address);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
