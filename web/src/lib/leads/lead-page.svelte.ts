/**
 * The page of one lead: its fields while they are edited, its history, its erasure.
 *
 * @module
 */
import type { LeadHistory } from '../../../../src/shared/schemas/activation.ts';
import type { Lead, LeadPatch } from '../../../../src/shared/schemas/leads.ts';
import { api, type Refusal } from '../api/client.ts';

export const leadFields = [
  'email',
  'firstName',
  'lastName',
  'company',
  'phone',
  'source',
  'stage',
  'consentSource',
  'notes',
] as const satisfies readonly Exclude<keyof LeadPatch, 'custom'>[];
export type LeadField = (typeof leadFields)[number];

const fieldsOf = (lead: Lead | null): Record<LeadField, string> =>
  Object.fromEntries(leadFields.map((field) => [field, lead?.[field] ?? ''])) as Record<LeadField, string>;

/** A custom field as it is typed; one without a name or a value is not kept. */
export interface CustomRow {
  name: string;
  value: string;
}

const customRowsOf = (lead: Lead | null): CustomRow[] =>
  Object.entries(lead?.custom ?? {}).map(([name, value]) => ({ name, value }));

/** The fields of the rows, in the order of their names. */
function customOf(rows: readonly CustomRow[]): Record<string, string> {
  const filled = rows
    .map(({ name, value }): [string, string] => [name.trim(), value.trim()])
    .filter(([name, value]) => name !== '' && value !== '');
  return Object.fromEntries(filled.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export class LeadPageState {
  readonly #leadId: number;
  #lead = $state.raw<Lead | null>(null);
  #history = $state.raw<LeadHistory | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #historyRefusal = $state.raw<Refusal | null>(null);
  #actRefusal = $state.raw<Refusal | null>(null);
  #isBusy = $state(false);
  #isSaved = $state(false);
  /** As they are typed. */
  draft = $state(fieldsOf(null));
  custom = $state(customRowsOf(null));

  constructor(leadId: number) {
    this.#leadId = leadId;
  }

  get lead(): Lead | null {
    return this.#lead;
  }
  get history(): LeadHistory | null {
    return this.#history;
  }
  /** Why there is no lead to show. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get isUnknown(): boolean {
    return this.#refusal?.kind === 'problem' && this.#refusal.problem.code === 'lead_not_found';
  }
  get historyRefusal(): Refusal | null {
    return this.#historyRefusal;
  }
  /** Why the last save or erasure was not done. */
  get actRefusal(): Refusal | null {
    return this.#actRefusal;
  }
  get isBusy(): boolean {
    return this.#isBusy;
  }
  /** What is shown is what is kept, since somebody saved it. */
  get isSaved(): boolean {
    return this.#isSaved && !this.isChanged;
  }
  get isChanged(): boolean {
    return Object.keys(this.#patch).length > 0;
  }

  async load(): Promise<void> {
    const answer = await api.lead(this.#leadId);
    this.#refusal = answer.ok ? null : answer.refusal;
    if (!answer.ok) return;
    this.#take(answer.value);
    await this.loadHistory();
  }

  async loadHistory(): Promise<void> {
    const answer = await api.leadHistory(this.#leadId);
    this.#historyRefusal = answer.ok ? null : answer.refusal;
    if (answer.ok) this.#history = answer.value;
  }

  async save(): Promise<void> {
    if (!this.isChanged || this.#isBusy) return;
    this.#isBusy = true;
    const answer = await api.patchLead(this.#leadId, this.#patch);
    this.#isBusy = false;
    this.#actRefusal = answer.ok ? null : answer.refusal;
    if (!answer.ok) return;
    this.#take(answer.value);
    this.#isSaved = true;
  }

  /** @returns true when the lead is gone */
  async erase(): Promise<boolean> {
    this.#isBusy = true;
    const answer = await api.eraseLead(this.#leadId);
    this.#isBusy = false;
    this.#actRefusal = answer.ok ? null : answer.refusal;
    return answer.ok;
  }

  addCustom(): void {
    this.custom.push({ name: '', value: '' });
  }

  removeCustom(at: number): void {
    this.custom.splice(at, 1);
  }

  forgetRefusal(): void {
    this.#actRefusal = null;
  }

  get #patch(): LeadPatch {
    const known = fieldsOf(this.#lead);
    const changed = leadFields.filter((field) => this.draft[field].trim() !== known[field]);
    const patch: LeadPatch = Object.fromEntries(changed.map((field) => [field, this.draft[field].trim()]));
    const custom = customOf(this.custom);
    const isSame = JSON.stringify(custom) === JSON.stringify(customOf(customRowsOf(this.#lead)));
    return isSame ? patch : { ...patch, custom };
  }

  #take(lead: Lead): void {
    this.#lead = lead;
    this.draft = fieldsOf(lead);
    this.custom = customRowsOf(lead);
  }
}
