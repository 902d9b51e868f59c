/**
 * What must be set before mail leaves through a real provider: what the law asks (a postal address in the
 * footer), what mailbox providers ask (one-click unsubscribe over https), and a sender.
 *
 * Owns the list of what is missing, for people. Does not look at DNS, and leaves what a provider needs to that
 * provider.
 *
 * @module
 */
import { createTransport, findProvider, type MailConfig } from './providers/index.ts';

/** What a start needs beside the settings of the transport; an empty text is not set. */
export interface SendingSettings extends MailConfig {
  postalAddress: string;
  publicUrl: string;
}

export interface MissingSetting {
  /** As in wrangler.toml. */
  setting: string;
  message: string;
}

/** True when mail goes to a program on this machine, which sends nothing. A binding never does. */
export function isStandIn({ provider, apiUrl }: Pick<MailConfig, 'provider' | 'apiUrl'>): boolean {
  const url = apiUrl?.trim() ?? '';
  if (findProvider(provider)?.apiUrl === undefined || !URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** Everything that keeps an activation from starting; empty when mail can be sent. */
export function missingSettings(settings: SendingSettings): MissingSetting[] {
  const choice = createTransport(settings, {
    fetch: () => Promise.reject(new Error('unused')),
    now: () => 0,
  });
  const missing: MissingSetting[] =
    choice.kind === 'refused' ? choice.missing.map((setting) => ({ setting, message: choice.message })) : [];
  if (isStandIn(settings)) return missing;
  if (settings.postalAddress.trim() === '') {
    missing.push({
      setting: 'MAIL_POSTAL_ADDRESS',
      message: 'MAIL_POSTAL_ADDRESS is empty: commercial mail must name the postal address of its sender.',
    });
  }
  if (/@example\.(?:com|net|org)\b/i.test(settings.from)) {
    missing.push({
      setting: 'MAIL_FROM',
      message: 'MAIL_FROM is still the example address: set it to an address of a domain of yours.',
    });
  }
  if (!isHttps(settings.publicUrl)) {
    missing.push({
      setting: 'PUBLIC_URL',
      message:
        'PUBLIC_URL must be the https address at which recipients reach this app, for the unsubscribe link.',
    });
  }
  return missing;
}

function isHttps(text: string): boolean {
  return URL.canParse(text.trim()) && new URL(text.trim()).protocol === 'https:';
}
