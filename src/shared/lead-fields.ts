/**
 * The text fields of a lead in one table: the column, length, uses and file headers of each.
 *
 * Owns the list. Schemas, SQL, merge fields and the import read it, so a new field is a line here, a migration and
 * the words on the screens. Custom fields (custom-fields.ts) and fields that the product sets (status, times) are
 * not here. Does not use zod, because the web app loads this file.
 *
 * A new use needs more than a line: `sort` needs an index (`leads_<column>`); `search` and `filter` need a new full-text
 * index, `filter` also a letter in src/crm/leads/labels.ts.
 *
 * @module
 */
import { limits } from './limits.ts';

interface FieldDescription {
  /** The column in the table `leads`: text, `''` without a value. */
  column: string;
  /** Characters. */
  maxLength: number;
  /** Its name in sentences. */
  label: string;
  /**
   * `merge`: a template may print it, so it is frozen into intents. `filter`: leads are filtered by its exact value.
   * `search`: a search reads its words. `sort`: the list can be sorted by it.
   */
  uses: readonly FieldUse[];
  /**
   * Headers of files that mean it, in the form of `foldHeader`, the preferred one first: those of the exports of
   * Salesforce, HubSpot, Pipedrive, Google Contacts and Outlook, and the usual words of German, French and Spanish
   * files.
   */
  headers: readonly string[];
}

type FieldUse = 'filter' | 'search' | 'sort' | 'merge';

/** In their order on the screen. */
export const leadFields = {
  email: {
    column: 'email',
    maxLength: limits.maxEmailLength,
    label: 'email address',
    uses: ['search', 'sort', 'merge'],
    headers: [
      'email',
      'e mail',
      'email address',
      'e mail address',
      'email value',
      'e mail value',
      'email work',
      'e mail work',
      'work email',
      'business email',
      'primary email',
      'personal email',
      'private email',
      'email home',
      'email other',
      'other email',
      'secondary email',
      'mail',
      'e mail adresse',
      'adresse e mail',
      'adresse email',
      'courriel',
      'correo',
      'correo electronico',
    ],
  },
  firstName: {
    column: 'first_name',
    maxLength: limits.maxFieldLength,
    label: 'first name',
    uses: ['search', 'merge'],
    headers: ['first name', 'firstname', 'given name', 'forename', 'vorname', 'prenom', 'nombre'],
  },
  lastName: {
    column: 'last_name',
    maxLength: limits.maxFieldLength,
    label: 'last name',
    uses: ['search', 'sort', 'merge'],
    headers: [
      'last name',
      'lastname',
      'family name',
      'surname',
      'nachname',
      'familienname',
      'nom',
      'nom de famille',
      'apellido',
      'apellidos',
    ],
  },
  company: {
    column: 'company',
    maxLength: limits.maxFieldLength,
    label: 'company',
    uses: ['search', 'sort', 'merge'],
    headers: [
      'company',
      'company name',
      'companyname',
      'company account',
      'organization',
      'organisation',
      'organization name',
      'organisation name',
      'account',
      'account name',
      'associated company',
      'employer',
      'business',
      'firma',
      'unternehmen',
      'societe',
      'entreprise',
      'empresa',
    ],
  },
  phone: {
    column: 'phone',
    maxLength: limits.maxFieldLength,
    label: 'phone',
    uses: ['merge'],
    headers: [
      'phone',
      'phone number',
      'phone value',
      'phone work',
      'business phone',
      'work phone',
      'mobile',
      'mobile phone',
      'mobile phone number',
      'phone mobile',
      'cell',
      'cell phone',
      'telephone',
      'primary phone',
      'home phone',
      'phone home',
      'phone other',
      'telefon',
      'telefonnummer',
      'mobil',
      'telefono',
    ],
  },
  source: {
    column: 'source',
    maxLength: limits.maxFieldLength,
    label: 'source',
    uses: ['filter', 'merge'],
    headers: [
      'source',
      'lead source',
      'original source',
      'original traffic source',
      'latest source',
      'channel',
      'quelle',
    ],
  },
  stage: {
    column: 'stage',
    maxLength: limits.maxFieldLength,
    label: 'stage',
    uses: ['filter', 'merge'],
    headers: ['stage', 'deal stage', 'lifecycle stage', 'lead status', 'status', 'deal status', 'phase'],
  },
  notes: {
    column: 'notes',
    maxLength: limits.maxNotesLength,
    label: 'notes',
    uses: [],
    headers: [
      'notes',
      'note',
      'description',
      'comment',
      'comments',
      'remarks',
      'notizen',
      'bemerkungen',
      'notas',
    ],
  },
  consentSource: {
    column: 'consent_source',
    maxLength: limits.maxFieldLength,
    label: 'consent source',
    uses: ['filter'],
    headers: [
      'consent source',
      'consent',
      'opt in source',
      'opt in',
      'marketing consent',
      'legal basis for processing contact s data',
      'einwilligung',
    ],
  },
} as const satisfies Record<string, FieldDescription>;

export type LeadField = keyof typeof leadFields;

/** The fields that have a use. */
export type FieldWith<Use extends FieldUse> = {
  [Field in LeadField]: Use extends (typeof leadFields)[Field]['uses'][number] ? Field : never;
}[LeadField];

export const leadFieldNames = Object.keys(leadFields) as LeadField[];

/** The fields that have a use, in the order of the table. */
export function fieldsWith<Use extends FieldUse>(use: Use): FieldWith<Use>[] {
  return leadFieldNames.filter((field) =>
    (leadFields[field] as FieldDescription).uses.includes(use),
  ) as FieldWith<Use>[];
}

/** A record with a value for each of the fields. */
export function perField<Field extends LeadField, Value>(
  fields: readonly Field[],
  valueOf: (field: Field) => Value,
): Record<Field, Value> {
  // A loop, for speed: each mail makes a recipient with it.
  const record: Partial<Record<Field, Value>> = {};
  for (const field of fields) record[field] = valueOf(field);
  return record as Record<Field, Value>;
}
