/**
 * One template in the editor: the draft, its preview and its check, both made by the server a moment after
 * the last key.
 *
 * Keeps true: an answer that was overtaken is never shown, and what is saved is what was read last, or
 * the server says that somebody else was faster.
 *
 * @module
 */
import type {
  TemplateCheck,
  TemplateDetail,
  TemplateDraft,
  TemplatePreview,
  TemplateVersionList,
} from '../../../../src/shared/mail-schemas.ts';
import type { Audience, Lead } from '../../../../src/shared/schemas.ts';
import { api, type Refusal } from '../api/client.ts';
import { mailApi } from '../api/mail.ts';

/** Long enough for a word, short enough to feel live. */
const previewDelayMs = 300;
const leadChoiceCount = 20;

export type AudienceChoice = 'new' | 'all';
const audiences: Record<AudienceChoice, Audience> = {
  new: { filter: { status: 'new' } },
  all: { filter: {} },
};

export class TemplateEditor {
  readonly #readsLeads: boolean;
  name = $state('');
  description = $state('');
  subject = $state('');
  html = $state('');
  text = $state('');
  leadId = $state<number | null>(null);
  audience = $state<AudienceChoice>('new');

  #template = $state.raw<TemplateDetail | null>(null);
  #versions = $state.raw<TemplateVersionList['versions']>([]);
  #leads = $state.raw<readonly Lead[]>([]);
  #customFields = $state.raw<readonly string[]>([]);
  #preview = $state.raw<TemplatePreview | null>(null);
  #check = $state.raw<TemplateCheck | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #previewRefusal = $state.raw<Refusal | null>(null);
  #busy = $state(false);
  #ready = $state(false);
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

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
  get leads(): readonly Lead[] {
    return this.#leads;
  }
  /** Names of the fields that leads have beside those that all have. */
  get customFields(): readonly string[] {
    return this.#customFields;
  }
  get preview(): TemplatePreview | null {
    return this.#preview;
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
    const [answer, leads, versions, values] = await Promise.all([
      mailApi.template(id, version),
      this.#readsLeads ? api.leads({ limit: leadChoiceCount }) : null,
      mailApi.versions(id),
      this.#readsLeads ? api.leadValues() : null,
    ]);
    if (leads?.ok === true) this.#leads = leads.value.leads;
    if (values?.ok === true) this.#customFields = values.value.custom;
    if (!answer.ok) {
      this.#refusal = answer.refusal;
      return;
    }
    const { name, description, subject, html, text } = answer.value;
    Object.assign(this, { name: copyName?.(name) ?? name, description, subject, html, text });
    if (copyName === null) {
      this.#template = answer.value;
      this.#versions = versions.ok ? versions.value.versions : [];
    }
    this.#ready = true;
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
    this.#abort?.abort();
  }

  async #refresh(): Promise<void> {
    this.#abort?.abort();
    const { signal } = (this.#abort = new AbortController());
    const { draft } = this;
    const [preview, check] = await Promise.all([
      mailApi.preview(draft, this.leadId, signal),
      mailApi.check(draft, audiences[this.audience], signal),
    ]);
    if (signal.aborted) return;
    this.#previewRefusal = preview.ok ? null : preview.refusal;
    if (preview.ok) this.#preview = preview.value;
    if (check.ok) this.#check = check.value;
  }

  /** Saves it; null when it was refused, and {@link refusal} says why. */
  async save(): Promise<TemplateDetail | null> {
    const content = { name: this.name, description: this.description, ...this.draft };
    const known = this.#template;
    return this.#run(() =>
      known === null || known.isBuiltin
        ? mailApi.createTemplate(content)
        : mailApi.updateTemplate(known.id, content, this.#versions[0]?.version ?? known.version),
    );
  }

  async remove(): Promise<boolean> {
    const known = this.#template;
    if (known === null) return false;
    return (
      (await this.#run(async () => {
        const answer = await mailApi.deleteTemplate(known.id);
        return answer.ok ? { ok: true as const, value: true } : answer;
      })) === true
    );
  }

  /** Sends the draft to the person who asks; resolves with their address. */
  async sendTest(): Promise<string | null> {
    return (await this.#run(() => mailApi.sendTest(this.draft, this.leadId)))?.to ?? null;
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
