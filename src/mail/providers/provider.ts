/**
 * What a mail provider's folder exports.
 *
 * Owns the interface only. A provider is one folder next to this file and one line in index.ts; no other file of the
 * product names a provider.
 *
 * @module
 */
import type { Setting } from '../../shared/setting.ts';
import type { ReportedFigure } from '../../shared/waves.ts';
import type { MailTransport } from '../transport.ts';
import type { FetchLike } from '../../runtime/fetch-like.ts';
import type { MailEvent } from './webhook-event.ts';

/** The mail settings that all providers share, and the environment in which each finds its own. */
export interface MailConfig {
  /** `MAIL_PROVIDER`: the {@link MailProvider.name} of one. */
  provider: string;
  /** `Name <address>` or an address. */
  from: string;
  /** Address of the provider's API; not set: its public address. */
  apiUrl?: string | undefined;
  apiKey?: string | undefined;
  /** The Worker's variables, secrets and bindings by name; a provider reads its own through `textSetting`. */
  env: object;
}

/** Passed in, so that tests can replace the clock and the network. */
export interface MailEffects {
  fetch: FetchLike;
  /** Epoch milliseconds. */
  now: () => number;
}

export type TransportChoice =
  | { kind: 'ready'; transport: MailTransport }
  /** `missing` names the settings at fault; `message` is for a person. */
  | { kind: 'refused'; missing: string[]; message: string };

/** A request to the webhook, as it came. */
export interface WebhookRequest {
  headers: Headers;
  body: string;
  /** The value of {@link ProviderWebhook.proof}; empty when it is not set. */
  proof: string;
}

/** A provider's events. */
export interface ProviderWebhook {
  /**
   * The setting by which the origin of an event is proved; it is one of {@link MailProvider.settings}. What the person
   * enters and an example of it are for the hint of `npm run deploy`.
   */
  proof: { setting: string; what: string; example: string };
  /** For the OpenAPI document: how events are signed, and the headers of the signature. */
  summary: string;
  headers: readonly string[];
  /** Figures of a wave that its events tell. */
  reports: readonly ReportedFigure[];
  /**
   * True when the request is the provider's. False when the setting is empty.
   *
   * @throws when that cannot be found out now; the provider repeats the request then
   */
  verify(request: WebhookRequest, effects: MailEffects): boolean | Promise<boolean>;
  /** Events in our terms; none when the body is not about mails of ours. */
  read(body: unknown): readonly MailEvent[];
  /** The address that must be fetched before the provider sends events; null when this body asks for nothing. */
  confirmationUrl?(body: unknown): string | null;
}

/** The places of a provider's DNS records below the sender's domain. Those that differ by account are left out. */
export interface ProviderDns {
  /** The first label of `<selector>._domainkey.<domain>`. */
  dkimSelector?: string;
  /** The subdomain of the return path: SPF belongs there and not at the domain. */
  returnPath?: string;
}

export interface MailProvider {
  /** The value of `MAIL_PROVIDER`, and the last part of the webhook's path. */
  readonly name: string;
  /** The provider's own name for itself. */
  readonly title: string;
  /** The public address of its API; null where the account decides it. A binding has no `apiUrl` at all. */
  readonly apiUrl?: string | null;
  /** How long it remembers an idempotency key, in milliseconds; null where it has none. */
  readonly keyWindowMs: number | null;
  /** Its own variables and secrets, beside those that all providers share. */
  readonly settings: readonly Setting[];
  /**
   * Makes the transport, or says what the settings lack.
   *
   * @param config - with `apiKey` and `apiUrl` trimmed and checked
   */
  transport(config: ProviderConfig, effects: MailEffects): TransportChoice;
  readonly webhook?: ProviderWebhook;
  readonly dns?: ProviderDns;
}

/** What {@link MailProvider.transport} gets: trimmed; an empty text is not set. */
export interface ProviderConfig {
  apiUrl: string;
  apiKey: string;
  env: object;
}

export function ready(transport: MailTransport): TransportChoice {
  return { kind: 'ready', transport };
}

/** @param missing - the setting at fault, as in wrangler.toml */
export function refuse(missing: string, message: string): TransportChoice {
  return { kind: 'refused', missing: [missing], message };
}
