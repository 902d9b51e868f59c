/**
 * The fields of a lead that are plain text: one table of where each is kept, how long it may be, what uses it
 * and which headers of a file mean it.
 *
 * Owns the list. Schemas, SQL, merge fields and the import read it, so a new field is a line here, a migration
 * and the words on the screens. Custom fields (custom-fields.ts) and what the product itself sets (status,
 * times) are not here. Free of zod, because the web app runs it.
 *
 * Adding a use needs more than the word: `filter` and `sort` an index (`leads_<column>`), `search` a new
 * full-text index.
 *
 * @module
 */
import { limits } from './limits.ts';

interface FieldDescription {
  /** Of the table `leads`; text, `''` where a lead has nothing. */
  column: string;
  /** Characters. */
  maxLength: number;
  /** What a sentence calls it. */
  label: string;
  /**
   * `merge`: a template may print it, so it is frozen into intents. `filter`: leads are filtered by its exact
   * value. `search`: words are looked for in it. `sort`: the list can be in its order.
   */
  uses: readonly FieldUse[];
  /**
   * Headers of files that mean it, as `foldHeader` leaves them, the preferred first: those of the exports of
   * Salesforce, HubSpot, Pipedrive, Google Contacts and Outlook, and the usual words of German, French and
   * Spanish files.
   */
  headers: readonly string[];
}

type FieldUse = 'filter' | 'search' | 'sort' | 'merge';

/** In the order in which people are shown them. */
export const leadFields = {
  email: {
    column: 'email',
    maxLength: limits.maxEmailLength,
    label: 'e-mail address',
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
  // A loop: a recipient is made so for each mail.
  const record: Partial<Record<Field, Value>> = {};
  for (const field of fields) record[field] = valueOf(field);
  return record as Record<Field, Value>;
}
