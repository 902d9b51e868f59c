/**
 * What is read of the product's health: an activation as the list has it, and what a sweep has found.
 *
 * @module
 */

import type { CrmAllowance } from './crm.ts';

/** An activation, as far as metrics need it. Times are epoch ms. */
export interface ActivationFigures {
  sessionId: string;
  state: string;
  reason: string | null;
  /** What it waits for. */
  waitingFor: string | null;
  waitingUntil: number | null;
  stalledSince: number | null;
  /** Its start can be undone until then, and it does nothing before. */
  undoUntil: number | null;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  /** Of its schedule. */
  startAt: number | null;
  /** Of its approval. */
  expiresAt: number | null;
  sent: number;
  failed: number;
  unknown: number;
  delivered: number;
  bounced: number;
  complained: number;
}

/** What a sweep over the sessions has found. */
export interface SweepReport {
  at: number;
  /** Sessions whose alarm was overdue. */
  lateIds: string[];
  /** Sessions without an alarm. */
  lostIds: string[];
  /** Sessions whose object did not answer. */
  unreachedIds: string[];
  /** The sender's DNS records that are missing; null: nobody has looked. */
  missingRecords: string[] | null;
}

/** What the database knows. */
export interface DatabaseFigures {
  /** Those that have not ended, and those of the last seven days. */
  activations: readonly ActivationFigures[];
  endpoints: readonly { endpointId: string; disabledReason: string | null; isOff: boolean }[];
  /** Unfinished ones of the last day. */
  imports: readonly { importId: string; updatedAt: number }[];
  /** What connected CRMs have said of their calls, by account. */
  crmAllowances: readonly { account: string; allowance: CrmAllowance }[];
  /** Null: there was none. */
  sweep: SweepReport | null;
}
