/**
 * What the file of a CRM exports.
 *
 * Owns the interface only. A CRM is one file next to this one and one line in
 * index.ts; no other file of the product names one.
 *
 * @module
 */
import type { CrmPort } from '../port.ts';
import type { CrmEffects } from './call.ts';

export interface CrmConnection {
  /** The value of `CRM_PROVIDER`. */
  readonly name: string;
  readonly title: string;
  /** The public address of its API; null where the account decides it. */
  readonly apiUrl: string | null;
  readonly source: string;
  /** The field of the state, where `CRM_ACTIVE` names none. */
  readonly field: string;
  /** The fields of a pulled list and the lead fields that each fills, where nobody has chosen others. */
  readonly usualFields: Readonly<Record<string, string>>;
  /** Calls a second, and records in one call, that the CRM allows. */
  readonly ratePerSecond: number;
  readonly maxBatch: number;
  port(config: ReadyConfig, effects: CrmEffects): CrmPort;
}

/** What {@link CrmConnection.port} gets: complete and checked. */
export interface ReadyConfig extends Pick<
  CrmPort,
  'target' | 'title' | 'maxBatch' | 'ratePerSecond' | 'usualFields'
> {
  apiUrl: string;
  apiKey: string;
  clientId: string;
}
