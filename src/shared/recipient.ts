/**
 * Recipient: a lead as frozen into an intent. It has everything that a mail is rendered from, so that a repeat of the
 * intent makes the same bytes whatever has happened to the lead since.
 *
 * @module
 */
import type { CustomFields } from './custom-fields.ts';
import { fieldsWith, perField, type FieldWith } from './lead-fields.ts';
import type { SkipReason } from './progress.ts';

/** The fields that a template may print. A recipient that was frozen before a field came has it not. */
export type MergeField = FieldWith<'merge'>;
export const mergeFields = fieldsWith('merge');

export interface Recipient extends Record<MergeField, string> {
  leadId: number;
  /** Those that the template uses and the lead has; left out when there are none. */
  custom?: CustomFields;
}

/** A lead as the recipient of a mail that is not sent: a preview, a test. */
export function recipientFrom(
  lead: Record<MergeField, string> & { id: number; custom: CustomFields },
): Recipient {
  return { leadId: lead.id, ...perField(mergeFields, (field) => lead[field]), custom: lead.custom };
}

/** What is left of a recipient whose lead was erased: its place in the batch and an id that names nobody now. */
export function erasedRecipient(leadId: number): Recipient {
  return { leadId, ...perField(mergeFields, () => '') };
}

/** A lead that a flip left alone, and why. */
export interface SkippedLead {
  leadId: number;
  reason: SkipReason;
}

/** What a flip did to the leads of one batch; each of them is in exactly one of the lists. */
export interface FlipResult {
  activated: Recipient[];
  skipped: SkippedLead[];
  /** Of the activated, by lead id: the keyed hash that the CRM keeps of each address. */
  emailHashes: ReadonlyMap<number, string>;
  /** Of the skipped: those that another session has activated which has not ended. */
  ownedElsewhere: ReadonlySet<number>;
}

/** A template as frozen into a session: a later edit does not change the mails. Liquid source. */
export interface FrozenTemplate {
  id: string;
  version: number;
  name: string;
  subject: string;
  html: string;
  text: string;
}
