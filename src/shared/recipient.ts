/**
 * Recipient: a lead as frozen into an intent. It has everything that a mail is rendered from, so that a repeat of
 * the intent has the same bytes even if the lead was changed since.
 *
 * @module
 */
import type { CustomFields } from './custom-fields.ts';
import { fieldsWith, perField, type FieldWith } from './lead-fields.ts';
import type { SkipReason } from './progress.ts';

/** The fields that a template may print. A recipient that was frozen before a field was added does not have it. */
export type MergeField = FieldWith<'merge'>;
export const mergeFields = fieldsWith('merge');

export interface Recipient extends Record<MergeField, string> {
  leadId: number;
  /** Its record in the connected CRM; left out when it has none there, empty once the lead is erased. */
  crmRecordId?: string;
  /** The custom fields that the template uses and the lead has; left out when there are none. */
  custom?: CustomFields;
}

/** A lead as the recipient of a preview or a test mail. */
export function recipientFrom(
  lead: Record<MergeField, string> & { id: number; custom: CustomFields },
): Recipient {
  return { leadId: lead.id, ...perField(mergeFields, (field) => lead[field]), custom: lead.custom };
}

/** The rest of a recipient whose lead was erased: its place in the batch, and an id that names nobody. */
export function erasedRecipient(leadId: number): Recipient {
  return { leadId, ...perField(mergeFields, () => '') };
}

/** A lead that a flip left alone, and why. */
export interface SkippedLead {
  leadId: number;
  reason: SkipReason;
}

/** The result of a flip for the leads of one batch; each lead is in exactly one of the lists. */
export interface FlipResult {
  activated: Recipient[];
  skipped: SkippedLead[];
  /** The keyed hashes of the addresses of activated leads, by lead id. */
  emailHashes: ReadonlyMap<number, string>;
  /** The skipped leads that another session has activated that has not ended. */
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
