/**
 * One template in the editor: the text, its preview and its check, both made by the server a moment after the
 * last key, and the unsaved work, which is kept in the browser.
 *
 * Invariants: an answer that was overtaken is never shown; a save is refused when somebody else saved since the
 * template was read.
 *
 * @module
 */
import type {
  TemplateCheck,
  TemplateDetail,
  TemplateDraft,
  TemplatePreview,
  TemplateVersionList,
} from '../../../../src/shared/schemas/mail.ts';
import { missingFooterFields, type FooterField } from '../../../../src/shared/footer-fields.ts';
import type { Audience } from '../../../../src/shared/schemas/activation.ts';
import type { Import } from '../../../../src/shared/schemas/imports.ts';
import type { Lead, View } from '../../../../src/shared/schemas/leads.ts';
import { api, type Refusal } from '../api/client.ts';
import { filterOf, parseLeadView } from '../leads/view.ts';
import { describeFault, type DescribedFault } from './describe-fault.ts';
import { isSameText, keepDrafts, keptDrafts, type KeptDraft, type TemplateText } from './drafts.ts';
import { preheaderOf, withPreheader } from './preheader.ts';

/** Long enough for a word, short enough to feel live. */
const previewDelayMs = 300;
/** What a template may print beside custom fields, in the order of the picker; the server has the same list. */
const fixedFields = [
  'firstName',
  'lastName',
  'company',
  'email',
  'phone',
  'source',
  'stage',
  'senderName',
  'actionUrl',
  'unsubscribeUrl',
  'postalAddress',
] as const;
const choiceCount = 20;

/** An audience to look at, under a key that is the same on each visit. */
export interface AudienceChoice {
  key: string;
  /** Null: one of those that are always there. */
  name: string | null;
  audience: Audience;
}
const newLeads = { key: 'new', name: null, audience: { filter: { status: 'new' } } } as const;
const allLeads = { key: 'all', name: null, audience: { filter: {} } } as const;

const choiceOfView = ({ viewId, name, query }: View): AudienceChoice => ({
  key: `view-${viewId}`,
  name,
  audience: { filter: filterOf(parseLeadView(new URLSearchParams(query))) },
});
const choiceOfImport = ({ importId, fileName }: Import): AudienceChoice => ({
  key: `import-${importId}`,
  name: fileName,
  audience: { filter: { importId } },
});

/** The version that unsaved work was begun on, and the one that the template has now. */
export interface OutdatedBase {
  base: number;
  latest: number;
}

function outdated(base: number | null, latest: number | null): OutdatedBase | null {
  return base !== null && latest !== null && base < latest ? { base, latest } : null;
}

export class TemplateEditor {
  readonly #readsLeads: boolean;
  name = $state('');
  description = $state('');
  subject = $state('');
  html = $state('');
  text = $state('');
  leadId = $state<number | null>(null);
  /** Key of an {@link AudienceChoice}. */
  audience = $state<string>(newLeads.key);

  #template = $state.raw<TemplateDetail | null>(null);
  #versions = $state.raw<TemplateVersionList['versions']>([]);
  #leads = $state.raw<readonly Lead[]>([]);
  #chosenLead = $state.raw<Lead | null>(null);
  #views = $state.raw<readonly AudienceChoice[]>([]);
  #imports = $state.raw<readonly AudienceChoice[]>([]);
  #customFields = $state.raw<readonly string[]>([]);
  #preview = $state.raw<TemplatePreview | null>(null);
  /** The last mail that could be rendered: shown on while the text is at fault. */
  #mail = $state.raw<TemplatePreview['mail']>(null);
  /** The text that {@link preview} is of. */
  #previewed = $state.raw<TemplateDraft>({ subject: '', html: '', text: '' });
  #saved = $state.raw<TemplateText | null>(null);
  /** Unsaved work that the person has not decided about, the newest first. */
  #found = $state.raw<readonly KeptDraft[]>([]);
  /** The times of the drafts that this editor has found or kept; others are of another tab. */
  readonly #ownTimes = new Set<number>();
  /** The version that the text in the editor was begun on. */
  #base = $state<number | null>(null);
  #draftKey = '';
  #check = $state.raw<TemplateCheck | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #previewRefusal = $state.raw<Refusal | null>(null);
  #busy = $state(false);
  #ready = $state(false);
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #searchTimer: ReturnType<typeof setTimeout> | undefined;
  #searchAbort: AbortController | null = null;

  /** @param readsLeads - false: without a preview, which shows a lead */
  constructor(readsLeads: boolean) {
    this.#readsLeads = readsLeads;
  }

  get template(): TemplateDetail | null {
    return this.#template;
  }
  get versions(): TemplateVersionList['versions'] {
    return this.#versions;
  }
  /** Leads to choose from: those who match the search, and who is chosen. */
  get leads(): readonly Lead[] {
    const chosen = this.#chosenLead;
    return chosen === null || this.#leads.some(({ id }) => id === chosen.id)
      ? this.#leads
      : [chosen, ...this.#leads];
  }
  /** Saved views as audiences. */
  get views(): readonly AudienceChoice[] {
    return this.#views;
  }
  /** The latest imports as audiences. */
  get imports(): readonly AudienceChoice[] {
    return this.#imports;
  }
  /** What its mails would not show, though their readers are owed it. */
  get missingFields(): readonly FooterField[] {
    return missingFooterFields(this.draft);
  }
  /** Names of the fields that leads have beside those that all have. */
  get customFields(): readonly string[] {
    return this.#customFields;
  }
  get preview(): TemplatePreview | null {
    return this.#preview;
  }
  get mail(): TemplatePreview['mail'] {
    return this.#mail;
  }
  /** Names that this template may print. */
  get fields(): readonly string[] {
    return [...fixedFields, ...this.#customFields.map((name) => `custom.${name}`)];
  }
  /** What is wrong with the text; null where nothing is. */
  get fault(): DescribedFault | null {
    const fault = this.#preview?.fault ?? null;
    return fault === null ? null : describeFault(fault, this.#previewed[fault.part], this.fields);
  }
  get preheader(): string {
    return preheaderOf(this.html);
  }
  set preheader(text: string) {
    this.html = withPreheader(this.html, text);
  }
  /** The text differs from what was opened or saved last. */
  get isDirty(): boolean {
    return this.#saved !== null && !isSameText(this.#saved, this.#content);
  }
  /** Unsaved work that waits for a decision: of an earlier visit, or put aside for it. */
  get found(): KeptDraft | null {
    return this.#found[0] ?? null;
  }
  get #latest(): number | null {
    return this.#versions[0]?.version ?? null;
  }
  /** The versions of {@link found} where the template has changed since it was begun; null where it has not. */
  get foundOutdated(): OutdatedBase | null {
    return outdated(this.found?.base ?? null, this.#latest);
  }
  /** The same of the text in the editor, while it is not saved. */
  get outdated(): OutdatedBase | null {
    return this.isDirty ? outdated(this.#base, this.#latest) : null;
  }
  get #content(): TemplateText {
    const { name, description, subject, html, text } = this;
    return { name, description, subject, html, text };
  }
  get check(): TemplateCheck | null {
    return this.#check;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get previewRefusal(): Refusal | null {
    return this.#previewRefusal;
  }
  get busy(): boolean {
    return this.#busy;
  }
  get ready(): boolean {
    return this.#ready;
  }
  get draft(): TemplateDraft {
    return { subject: this.subject, html: this.html, text: this.text };
  }

  /** Opens a template; `copyName` makes a new one of it. */
  async open(id: string, version: number | null, copyName: ((name: string) => string) | null): Promise<void> {
    const [answer, leads, versions, values, chosen, views, imports] = await Promise.all([
      api.template(id, version),
      this.#readsLeads ? api.leads({ limit: choiceCount }) : null,
      api.templateVersions(id),
      this.#readsLeads ? api.leadValues() : null,
      this.#readsLeads && this.leadId !== null ? api.lead(this.leadId) : null,
      this.#readsLeads ? api.views() : null,
      this.#readsLeads ? api.imports({ limit: choiceCount }) : null,
    ]);
    if (leads?.ok === true) this.#leads = leads.value.leads;
    if (chosen?.ok === true) this.#chosenLead = chosen.value;
    if (views?.ok === true) this.#views = views.value.views.map(choiceOfView);
    if (imports?.ok === true) this.#imports = imports.value.imports.map(choiceOfImport);
    if (values?.ok === true) this.#customFields = values.value.custom;
    if (!answer.ok) {
      this.#refusal = answer.refusal;
      return;
    }
    const { name, description, subject, html, text } = answer.value;
    // A copy is for something else: it gets a note of its own.
    const content =
      copyName === null
        ? { name, description, subject, html, text }
        : { name: copyName(name), description: '', subject, html, text };
    Object.assign(this, content);
    this.#saved = content;
    this.#draftKey = copyName === null ? id : `copy:${id}`;
    this.#base = answer.value.version;
    const kept = keptDrafts(localStorage, this.#draftKey);
    for (const { at } of kept) this.#ownTimes.add(at);
    this.#found = kept.filter((draft) => !isSameText(draft.content, content));
    if (copyName === null) {
      this.#template = answer.value;
      this.#versions = versions.ok ? versions.value.versions : [];
    }
    this.#ready = true;
  }

  /** Chooses whose mail is shown; null is the made-up lead. */
  chooseLead(leadId: number | null): void {
    this.#chosenLead = this.leads.find(({ id }) => id === leadId) ?? null;
    this.leadId = this.#chosenLead?.id ?? null;
  }

  /** Looks for leads by the same words as the leads page, soon. */
  searchLeadsSoon(words: string): void {
    clearTimeout(this.#searchTimer);
    this.#searchTimer = setTimeout(() => void this.#searchLeads(words), previewDelayMs);
  }

  async #searchLeads(words: string): Promise<void> {
    this.#searchAbort?.abort();
    const { signal } = (this.#searchAbort = new AbortController());
    const answer = await api.leads({ search: words.trim(), limit: choiceCount }, signal);
    if (answer.ok && !signal.aborted) this.#leads = answer.value.leads;
  }

  /**
   * Keeps the unsaved text in the browser, beside what the person has not decided about.
   *
   * @returns false where the browser keeps nothing
   */
  keep(nowMs: number): boolean {
    const own = this.isDirty ? [{ content: this.#content, at: nowMs, base: this.#base }] : [];
    return this.#write([...own, ...this.#found]);
  }

  /** Keeps these drafts, and those of other tabs beside them. */
  #write(drafts: readonly KeptDraft[]): boolean {
    const others = keptDrafts(localStorage, this.#draftKey).filter(({ at }) => !this.#ownTimes.has(at));
    for (const { at } of drafts) this.#ownTimes.add(at);
    return keepDrafts(localStorage, this.#draftKey, [...drafts, ...others]);
  }

  /** Puts the unsaved work that was found into the editor; what was in there unsaved waits in its place. */
  restore(nowMs: number): void {
    const [chosen, ...rest] = this.#found;
    if (chosen === undefined) return;
    const own = this.isDirty ? [{ content: this.#content, at: nowMs, base: this.#base }] : [];
    Object.assign(this, chosen.content);
    this.#base = chosen.base;
    this.#found = [...own, ...rest];
    this.keep(nowMs);
  }

  /** Drops the unsaved work that was found; what is in the editor stays. */
  discard(nowMs: number): void {
    this.#found = this.#found.slice(1);
    this.keep(nowMs);
  }

  /** Renders the draft anew, soon. */
  refreshSoon(): void {
    clearTimeout(this.#timer);
    // A preview shows a lead.
    if (!this.#readsLeads) return;
    this.#timer = setTimeout(() => void this.#refresh(), previewDelayMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#searchTimer);
    this.#abort?.abort();
    this.#searchAbort?.abort();
  }

  /** An audience that is gone by now is as good as none chosen. */
  get #audience(): Audience {
    const choices = [newLeads, allLeads, ...this.#views, ...this.#imports];
    return (choices.find(({ key }) => key === this.audience) ?? newLeads).audience;
  }

  async #refresh(): Promise<void> {
    this.#abort?.abort();
    const { signal } = (this.#abort = new AbortController());
    const { draft } = this;
    const [preview, check] = await Promise.all([
      api.previewTemplate(draft, this.leadId, signal),
      api.checkTemplate(draft, this.#audience, signal),
    ]);
    if (signal.aborted) return;
    this.#previewRefusal = preview.ok ? null : preview.refusal;
    if (preview.ok) {
      this.#preview = preview.value;
      this.#previewed = draft;
      this.#mail = preview.value.mail ?? this.#mail;
    }
    if (check.ok) this.#check = check.value;
  }

  /** Saves it; null when it was refused, and {@link refusal} says why. */
  async save(): Promise<TemplateDetail | null> {
    const content = this.#content;
    const known = this.#template;
    const saved = await this.#run(() =>
      known === null || known.isBuiltin
        ? api.createTemplate(content)
        : api.updateTemplate(known.id, content, this.#versions[0]?.version ?? known.version),
    );
    if (saved !== null) {
      this.#saved = content;
      this.#base = saved.version;
      this.#write(this.#found);
    }
    return saved;
  }

  async remove(): Promise<boolean> {
    const known = this.#template;
    if (known === null) return false;
    const isGone = await this.#run(async () => {
      const answer = await api.deleteTemplate(known.id);
      return answer.ok ? { ok: true as const, value: true } : answer;
    });
    if (isGone !== true) return false;
    this.#saved = this.#content;
    this.#found = [];
    keepDrafts(localStorage, this.#draftKey, []);
    return true;
  }

  /** Sends the draft to the person who asks; resolves with their address. */
  async sendTest(): Promise<string | null> {
    return (await this.#run(() => api.sendTestMail(this.draft, this.leadId)))?.to ?? null;
  }

  async #run<T>(
    work: () => Promise<{ ok: true; value: T } | { ok: false; refusal: Refusal }>,
  ): Promise<T | null> {
    if (this.#busy) return null;
    this.#busy = true;
    const answer = await work();
    this.#busy = false;
    this.#refusal = answer.ok ? null : answer.refusal;
    return answer.ok ? answer.value : null;
  }
}
