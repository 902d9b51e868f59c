/**
 * All mail providers, and the choice of the one that sends.
 *
 * Owns the list of providers and the checks that they share. Does not call a provider. A fault of the settings is
 * reported in a sentence before an activation starts.
 *
 * @module
 */
import { type Setting, textSetting } from '../../shared/setting.ts';
import type { ReportedFigure } from '../../shared/waves.ts';
import { cloudflare } from './cloudflare/index.ts';
import { mailgun } from './mailgun/index.ts';
import { postmark } from './postmark/index.ts';
import {
  refuse,
  type MailConfig,
  type MailEffects,
  type MailProvider,
  type TransportChoice,
} from './provider.ts';
import { resend } from './resend/index.ts';
import { sendgrid } from './sendgrid/index.ts';
import { ses } from './ses/index.ts';

export type { MailConfig } from './provider.ts';

/** In the order in which they are listed for people. */
export const mailProviders: readonly MailProvider[] = [resend, postmark, ses, mailgun, sendgrid, cloudflare];

const names = mailProviders.map(({ name }) => name);

/** The check of `MAIL_PROVIDER`. */
export const isProviderName: NonNullable<Setting['check']> = (value) =>
  names.includes(value) ? null : `is ${names.slice(0, -1).join(', ')} or ${names.at(-1) ?? ''}`;

/** The settings that only one provider knows. */
export const providerSettings: readonly Setting[] = mailProviders.flatMap(({ settings }) => settings);

/** The provider of this name; undefined when there is none. */
export function findProvider(name: string): MailProvider | undefined {
  return mailProviders.find((provider) => provider.name === name);
}

/** The mail settings as the Worker's environment has them. */
export function mailConfig(env: MailEnv): MailConfig {
  return {
    provider: env.MAIL_PROVIDER,
    from: env.MAIL_FROM,
    apiUrl: env.MAIL_API_URL,
    apiKey: env.MAIL_API_KEY,
    env,
  };
}

export interface MailEnv {
  MAIL_PROVIDER: string;
  MAIL_FROM: string;
  MAIL_API_URL: string;
  MAIL_API_KEY: string;
}

/**
 * Makes the transport that the settings name, or says what they lack.
 *
 * @example
 * createTransport(mailConfig(env), { fetch: (url, init) => fetch(url, init), now: Date.now })
 */
export function createTransport(config: MailConfig, effects: MailEffects): TransportChoice {
  const provider = findProvider(config.provider);
  // A secret from a file often ends in a newline, which a header cannot contain.
  const apiKey = config.apiKey?.trim() ?? '';
  const apiUrl = config.apiUrl?.trim() ?? '';
  if (provider === undefined) {
    return refuse('MAIL_PROVIDER', `MAIL_PROVIDER must be one of ${names.join(', ')}.`);
  }
  if (provider.apiUrl !== undefined) {
    if (apiUrl !== '' && !isHttpUrl(apiUrl)) {
      return refuse('MAIL_API_URL', 'MAIL_API_URL must be an http or https address.');
    }
    // After a change of provider, an old address would send the new key to the wrong provider.
    const owner = mailProviders.find((other) => other.apiUrl && apiUrl.startsWith(other.apiUrl));
    if (owner !== undefined && owner !== provider) {
      return refuse(
        'MAIL_API_URL',
        `MAIL_API_URL is the address of ${owner.name}, but MAIL_PROVIDER is ${provider.name}.`,
      );
    }
  }
  if (!isSender(config.from)) {
    return refuse(
      'MAIL_FROM',
      'MAIL_FROM must be an address, or a name and an address: Acme <hello@acme.com>.',
    );
  }
  return provider.transport({ apiUrl, apiKey, env: config.env }, effects);
}

/** Which figures of a wave the provider reports to us: where it has webhooks, and their secret is set. */
export function reportedBy(env: { MAIL_PROVIDER: string }): readonly ReportedFigure[] {
  const webhook = findProvider(env.MAIL_PROVIDER)?.webhook;
  return webhook !== undefined && textSetting(env, webhook.proof.setting) !== '' ? webhook.reports : [];
}

/** How long a provider remembers idempotency keys, in milliseconds; null: it has none. */
export function keyWindowMs(provider: string): number | null {
  return findProvider(provider)?.keyWindowMs ?? null;
}

/** `a@b.c` or `Name <a@b.c>`. Only the provider knows whether mail may be sent from the domain. */
function isSender(from: string): boolean {
  const address = /^[^<>\r\n]*<([^<>]+)>$/.exec(from.trim())?.[1] ?? from.trim();
  return /^[^\s@<>",;:]+@[^\s@<>",;:]+\.[^\s@<>",;:.]+$/.test(address);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
