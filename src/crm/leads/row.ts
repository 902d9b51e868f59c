/**
 * Rows of the leads table: which columns make a lead or a recipient, and the SQL that the CRM's files share.
 *
 * The only place where rows of leads become domain types.
 *
 * @module
 */
import { customValue, type CustomFields } from '../../shared/custom-fields.ts';
import { leadFieldNames, leadFields, perField, type LeadField } from '../../shared/lead-fields.ts';
import { mergeFields, type Recipient } from '../../shared/recipient.ts';
import { tagsOf } from './labels.ts';
import type { ExternalId, FoundLead, Lead, Unmailable } from '../../shared/schemas/leads.ts';

const columnsOf = (fields: readonly LeadField[]): string =>
  fields.map((field) => `l.${leadFields[field].column} AS ${field}`).join(', ');

/** Columns of a {@link Recipient}, of leads aliased `l`. */
const recipientColumns = `l.id AS leadId, ${columnsOf(mergeFields)}`;

/** A row of a {@link Recipient}; `custom` is JSON and exists only when the template uses custom fields. */
export type RecipientRow = Omit<Recipient, 'custom' | 'crmRecordId'> & {
  custom?: string;
  externalSource?: string | null;
  externalId?: string | null;
};

/**
 * Columns of a {@link Recipient} for a template with these custom fields. Without any, none are read.
 *
 * @param crmSource - of the connected CRM; null: none
 */
export function recipientColumnsWith(
  customFields: readonly string[],
  crmSource: string | null = null,
): string {
  return [
    recipientColumns,
    ...(customFields.length === 0 ? [] : ['l.custom']),
    ...(crmSource === null ? [] : ['l.external_source AS externalSource, l.external_id AS externalId']),
  ].join(', ');
}

/**
 * @param customFields - those that the template uses; a recipient has no others
 * @param crmSource - of the connected CRM; null: none
 */
export function toRecipient(
  row: RecipientRow,
  customFields: readonly string[] = [],
  crmSource: string | null = null,
): Recipient {
  const custom = pickCustom(row.custom, customFields);
  const crmRecordId = crmSource !== null && row.externalSource === crmSource ? row.externalId : null;
  return {
    leadId: row.leadId,
    ...perField(mergeFields, (field) => row[field]),
    ...(crmRecordId == null ? {} : { crmRecordId }),
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
export const leadColumns = `l.id, l.external_source AS externalSource, l.external_id AS externalId,
  ${columnsOf(leadFieldNames)}, l.tags, l.custom, l.status,
  l.activated_at AS activatedAt, l.activated_by AS activatedBy, l.import_id AS importId,
  l.created_at AS createdAt, l.updated_at AS updatedAt`;

/** A row of a {@link Lead}; `custom` is JSON, and `tags` are labels. */
export type LeadRow = Omit<Lead, 'custom' | 'tags' | 'externalId'> & {
  custom: string;
  tags: string;
  externalSource: string | null;
  externalId: string | null;
};

export function toLead({ externalSource, ...row }: LeadRow): Lead {
  return {
    ...row,
    externalId: toExternalId(externalSource, row.externalId),
    tags: tagsOf(row.tags),
    custom: JSON.parse(row.custom) as CustomFields,
  };
}

const toExternalId = (source: string | null, id: string | null): ExternalId | null =>
  source === null || id === null ? null : { source, id };

/**
 * SQL of the revision that a change in this transaction makes. The statement that writes `lead_counts` comes last
 * and makes it the current one.
 */
export const nextRevisionSql = '(SELECT revision + 1 FROM lead_counts)';

/** SQL of why leads aliased `l` get no email, or null; in the order of {@link eligibilitySql}. */
export const unmailableSql = `coalesce(
  (SELECT s.reason FROM suppressions s WHERE s.email_hash = l.email_hash),
  CASE l.email_valid WHEN 0 THEN 'invalid_address' END)`;

/** A lead of a list as it is read. */
export type FoundLeadRow = LeadRow & { unmailable: Unmailable | null };

export function toFoundLead(row: FoundLeadRow): FoundLead {
  return { ...toLead(row), unmailable: row.unmailable };
}

/** What an activation would do with a lead, in the order in which the reasons count. */
export type Eligibility =
  'suppressed' | 'invalid_address' | 'already_active' | 'recently_mailed' | 'mailable';

/**
 * SQL expression for the {@link Eligibility} of leads aliased `l`; the flip and its preview share it.
 *
 * @param mailedAfter - SQL of the time, epoch ms, after which a mail was recent; `NULL`: none was
 * @param asOf - SQL of the revision at which the session started: a lead that was taken back later was active then;
 *   `NULL`: it starts now
 */
export const eligibilitySql = (mailedAfter: string, asOf = 'NULL'): string => `CASE
  WHEN EXISTS (SELECT 1 FROM suppressions s WHERE s.email_hash = l.email_hash) THEN 'suppressed'
  WHEN l.email_valid = 0 THEN 'invalid_address'
  WHEN +l.status = 'active' OR l.taken_back_revision > ${asOf} THEN 'already_active'
  WHEN l.mailed_at > ${mailedAfter} THEN 'recently_mailed'
  ELSE 'mailable'
END`;

/** SQL of a time that was computed here. */
export const timeSql = (timeMs: number | null): string =>
  timeMs === null ? 'NULL' : String(Math.trunc(timeMs));
