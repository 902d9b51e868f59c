/**
 * Taking back an activation: what is said before, and what came of it.
 *
 * Owns the words of the contract. What may be taken back is core/session/take-back.ts, its SQL src/crm/take-back.ts.
 * No zod at run time here: the web app loads this file.
 *
 * @module
 */
import type { LeadIdDigest } from './lead-id-digest.ts';

/**
 * Whose leads become new again: only those that were set active and certainly not mailed, or all of them. Mail that
 * may have been taken counts as mailed.
 */
export const takeBackChoices = ['unmailed', 'all'] as const;
export type TakeBackChoice = (typeof takeBackChoices)[number];

/** What taking an activation back would do now. */
export interface TakeBackManifest {
  /** Of this form of the manifest. */
  version: 1;
  kind: 'take_back';
  sessionId: string;
  choice: TakeBackChoice;
  /** Leads that would become new again. Its hash differs where as many other leads are meant. */
  reverted: LeadIdDigest;
  /** Leads of the choice that were taken back before. */
  alreadyTakenBack: number;
  /** Leads of the choice that stay as they are, because something else has changed them since. */
  kept: number;
}

/** What was taken back so far. `leads = reverted + kept + failed` once it has ended. */
export interface TakeBackProgress {
  choice: TakeBackChoice;
  /** Of its manifest. */
  manifestHash: string;
  /** Who had it taken back. */
  by: string;
  startedAt: number;
  endedAt: number | null;
  /** Leads that it is about. */
  leads: number;
  /** Leads that are new again. */
  reverted: number;
  /** Leads that stay as they are, because something else has changed them since. */
  kept: number;
  /** Leads that the CRM refused to change. */
  failed: number;
}
