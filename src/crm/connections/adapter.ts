/**
 * The base of every CRM's port: what it has of its connection.
 *
 * @module
 */
import type { CrmPort } from '../port.ts';
import type { CrmEffects } from './call.ts';
import type { ReadyConfig } from './connection.ts';

export abstract class CrmAdapter {
  readonly target: CrmPort['target'];
  readonly title: string;
  readonly maxBatch: number;
  readonly ratePerSecond: number;
  readonly usualFields: CrmPort['usualFields'];
  protected readonly config: ReadyConfig;
  protected readonly effects: CrmEffects;

  constructor(config: ReadyConfig, effects: CrmEffects) {
    ({ target: this.target, title: this.title } = config);
    ({ maxBatch: this.maxBatch, ratePerSecond: this.ratePerSecond } = config);
    ({ usualFields: this.usualFields } = config);
    this.config = config;
    this.effects = effects;
  }
}
