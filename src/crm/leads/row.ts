/**
 * Rows of the leads table and the SQL fragments that every subject shares: which columns make a lead
 * or a recipient, and how a lead stands towards an activation.
 *
 * The only place where lead rows become domain types.
 *
 * @module
 */
import { customValue, type CustomFields } from '../../shared/custom-fields.ts';
import type { Recipient } from '../../shared/recipient.ts';
import type { Lead, LeadStatus } from '../../shared/schemas/activation.ts';

/** Columns of a {@link Recipient}, of leads aliased `l`. */
export const recipientColumns =
  'l.id, l.email, l.first_name, l.last_name, l.company, l.phone, l.source, l.stage';

export interface RecipientRow {
  id: number;
  email: string;
  first_name: string;
  last_name: string;
  company: string;
  phone: string;
  source: string;
  stage: string;
}

/** Columns of a {@link Recipient} for a template that uses these custom fields; most use none, and read none. */
export function recipientColumnsWith(customFields: readonly string[]): string {
  return customFields.length === 0 ? recipientColumns : `${recipientColumns}, l.custom`;
}

/** @param customFields - those that the template uses; a recipient has no others */
export function toRecipient(
  row: RecipientRow & { custom?: string },
  customFields: readonly string[] = [],
): Recipient {
  const custom = pickCustom(row.custom, customFields);
  return {
    leadId: row.id,
    email: row.email,
    firstName: row.first_name,
    lastName: row.last_name,
    company: row.company,
    phone: row.phone,
    source: row.source,
    stage: row.stage,
    ...(custom === null ? {} : { custom }),
  };
}

function pickCustom(json: string | undefined, names: readonly string[]): CustomFields | null {
  if (json === undefined || json === '{}' || names.length === 0) return null;
  const fields = JSON.parse(json) as CustomFields;
  const picked = names
    .map((name) => [name, customValue(fields, name)] as const)
    .filter(([, value]) => value !== '');
  return picked.length === 0 ? null : Object.fromEntries(picked);
}

/** Columns of a {@link Lead}, of leads aliased `l`. */
export const leadColumns = `${recipientColumns}, l.notes, l.consent_source, l.custom, l.status, l.activated_at,
  l.activated_by, l.import_id, l.created_at, l.updated_at`;

export interface LeadRow extends RecipientRow {
  notes: string;
  consent_source: string;
  /** JSON. */
  custom: string;
  status: LeadStatus;
  activated_at: number | null;
  activated_by: string | null;
  import_id: string | null;
  created_at: number;
  updated_at: number;
}

export function toLead(row: LeadRow): Lead {
  return {
    id: row.id,
    email: row.email,
    firstName: row.first_name,
    lastName: row.last_name,
    company: row.company,
    phone: row.phone,
    source: row.source,
    stage: row.stage,
    notes: row.notes,
    consentSource: row.consent_source,
    custom: JSON.parse(row.custom) as Record<string, string>,
    status: row.status,
    activatedAt: row.activated_at,
    activatedBy: row.activated_by,
    importId: row.import_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/**
 * SQL of the revision that a change in this transaction makes. Its statement that writes `lead_counts` comes
 * last and makes it the present one.
 */
export const nextRevisionSql = '(SELECT revision + 1 FROM lead_counts)';

/** What an activation would do with a lead, in the order in which the reasons count. */
export type Eligibility = 'suppressed' | 'invalid_address' | 'already_active' | 'mailable';

/** SQL expression for the {@link Standing} of leads aliased `l`; the flip and its preview share it. */
export const eligibilitySql = `CASE
  WHEN EXISTS (SELECT 1 FROM suppressions s WHERE s.email_hash = l.email_hash) THEN 'suppressed'
  WHEN l.email_valid = 0 THEN 'invalid_address'
  WHEN +l.status = 'active' THEN 'already_active'
  ELSE 'mailable'
END`;

/** Lead ids in ascending order, each once. */
export function uniqueSorted(leadIds: readonly number[]): number[] {
  return [...new Set(leadIds)].sort((a, b) => a - b);
}
