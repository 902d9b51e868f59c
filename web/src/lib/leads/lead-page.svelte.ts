/**
 * The page of one lead: its fields while they are edited, its history, its erasure.
 *
 * @module
 */
import type { LeadHistory } from '../../../../src/shared/schemas/activation.ts';
import type { LeadDetail, LeadPatch } from '../../../../src/shared/schemas/leads.ts';
import { api, type Refusal } from '../api/client.ts';
import {
  customOf,
  customRowsOf,
  fieldsOf,
  followed,
  isSameCustom,
  leadFields,
  type LeadTexts,
} from './lead-draft.ts';

export class LeadPageState {
  readonly #leadId: number;
  #lead = $state.raw<LeadDetail | null>(null);
  #history = $state.raw<LeadHistory | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #historyRefusal = $state.raw<Refusal | null>(null);
  #actRefusal = $state.raw<Refusal | null>(null);
  #isBusy = $state(false);
  #isSaved = $state(false);
  /** How often a lead that was read is shown: an answer to an earlier question is not. */
  #shownCount = 0;
  /** As they are typed. */
  draft = $state(fieldsOf(null));
  custom = $state(customRowsOf(null));

  constructor(leadId: number) {
    this.#leadId = leadId;
  }

  get lead(): LeadDetail | null {
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
    this.#actRefusal = await this.#saveChanges();
    this.#isBusy = false;
    if (this.#actRefusal !== null) return;
    this.#isSaved = true;
    await this.loadHistory();
  }

  /** @returns why nothing was saved */
  async #saveChanges(): Promise<Refusal | null> {
    // Custom fields are saved as a whole: those that somebody else has changed meanwhile are saved as they are now.
    const unread = this.#patch.custom === undefined ? null : await this.#follow();
    const lead = this.#lead;
    if (unread !== null || lead === null) return unread;
    const patch = this.#patch;
    const answer = await api.patchLead(this.#leadId, patch);
    if (!answer.ok) return answer.refusal;
    // What was typed since it was sent stays.
    const sent = { ...fieldsOf(lead), ...patch, custom: patch.custom ?? lead.custom };
    this.#show(answer.value, sent);
    return null;
  }

  /** Reads the lead again, and keeps what is being typed. */
  async refresh(): Promise<void> {
    if ((await this.#follow()) === null) await this.loadHistory();
  }

  /** @returns why the lead could not be read */
  async #follow(): Promise<Refusal | null> {
    const shownBefore = this.#shownCount;
    const answer = await api.lead(this.#leadId);
    if (!answer.ok) return answer.refusal;
    // A save was answered meanwhile: this may be the lead of before.
    if (this.#shownCount !== shownBefore) return null;
    this.#show(answer.value, this.#lead);
    return null;
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
    return isSameCustom(this.custom, customRowsOf(this.#lead)) ? patch : { ...patch, custom };
  }

  /** @param before - what the form followed until now */
  #show(lead: LeadDetail, before: LeadTexts | null): void {
    ({ draft: this.draft, custom: this.custom } = followed(this, before, lead));
    this.#lead = lead;
    this.#shownCount++;
  }

  #take(lead: LeadDetail): void {
    this.draft = fieldsOf(lead);
    this.custom = customRowsOf(lead);
    this.#lead = lead;
    this.#shownCount++;
  }
}
