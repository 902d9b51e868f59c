/**
 * One *Activate* dialog: templates, the preview, and the start. Lives as long as the dialog is open; a
 * start that got no answer keeps its id and request, and only that same request is ever sent again.
 *
 * @module
 */
import { dayMs } from '../../../../../src/shared/schedule/zoned-time.ts';
import { newSessionId } from '../../../../../src/shared/session-id.ts';
import { whenOf, withTimes, type Manifest } from '../../../../../src/shared/manifest.ts';
import { missingFooterFields, type FooterField } from '../../../../../src/shared/footer-fields.ts';
import type { Progress } from '../../../../../src/shared/progress.ts';
import type {
  ActivationPreview,
  ActivationStartRequest,
  Audience,
} from '../../../../../src/shared/schemas/activation.ts';
import type { Settings } from '../../../../../src/shared/schemas/common.ts';
import type { SkippedLeads, SkippedReason } from '../../../../../src/shared/schemas/lead-bulk.ts';
import type { TemplateSummary } from '../../../../../src/shared/schemas/mail.ts';
import type { WarmUpView } from '../../../../../src/shared/schemas/warm-up.ts';
import { warmUpDays } from '../../../../../src/shared/warm-up.ts';
import { api, type Refusal } from '../../api/client.ts';
import { formatShortDateTime } from '../../messages/format.ts';
import { activateMessages } from '../../messages/activate.ts';
import { approvalMessages } from '../../messages/approvals.ts';
import { warmUpMessages } from '../../messages/warm-up.ts';
import { timingMessages } from '../../messages/timing.ts';
import { Timing } from '../../timing/timing.svelte.ts';
import { WaveChoice } from '../../timing/waves.svelte.ts';
import { describeAudience, expectedMs } from './describe-audience.ts';
import { holdTo, startActivation } from './start-request.ts';

export interface StartObserver {
  /** The id exists and nothing has left yet. */
  expect(sessionId: string): void;
  started(progress: Progress): void;
  /** Nothing was started under this id. */
  refused(sessionId: string): void;
  /** Nobody knows whether it was started, and the person has stopped waiting. */
  abandoned(sessionId: string): void;
}

/** Until the server has said its own. */
const standardConfirmAbove = 1_000;
/** Templates that are offered at once; the others are found by their name. */
const maxOfferedCount = 5;

/** What the dialog begins with when it repeats an activation. */
export interface ActivatePreset {
  name: string;
  templateId: string;
  /** The one that the original was sent with. */
  templateVersion: number;
}

type TestMail =
  | { kind: 'none' }
  | { kind: 'sending' }
  | { kind: 'sent'; to: string }
  | { kind: 'refused'; refusal: Refusal };

export class ActivateForm {
  readonly #audience: Audience;
  readonly #observer: StartObserver;
  readonly #preset: ActivatePreset | null;
  name = $state(activateMessages.defaultName(formatShortDateTime(Date.now())));
  readonly timing = new Timing(() => Date.now());
  readonly waves = new WaveChoice(() => this.timing.zone);
  /** What the person typed as the count of leads. */
  typedCount = $state('');
  /** What the offered templates are looked for by. */
  templateSearch = $state('');
  #settings = $state.raw<Settings | null>(null);
  #warmUp = $state.raw<WarmUpView | null>(null);
  #templates = $state.raw<readonly TemplateSummary[] | null>(null);
  #templateId = $state<string | null>(null);
  #preview = $state.raw<ActivationPreview | null>(null);
  #counting = $state(false);
  #missingFields = $state.raw<readonly FooterField[]>([]);
  #sampleIndex = $state(0);
  #loadRefusal = $state.raw<Refusal | null>(null);
  #previewRefusal = $state.raw<Refusal | null>(null);
  #startRefusal = $state.raw<Refusal | null>(null);
  #changes = $state.raw<readonly string[] | null>(null);
  #attempt = $state(0);
  /** Sent, and not answered. */
  #unanswered = $state.raw<ActivationStartRequest | null>(null);
  #abort: AbortController | null = null;
  #skippedReason = $state<SkippedReason | null>(null);
  #skipped = $state.raw<SkippedLeads | null>(null);
  #skippedRefusal = $state.raw<Refusal | null>(null);
  #test = $state.raw<TestMail>({ kind: 'none' });

  constructor(audience: Audience, observer: StartObserver, preset: ActivatePreset | null = null) {
    this.#audience = audience;
    this.#observer = observer;
    this.#preset = preset;
    if (preset !== null) this.name = activateMessages.copyName(preset.name);
  }

  get templates(): readonly TemplateSummary[] | null {
    return this.#templates;
  }
  /** The templates that are found, few enough for one look. */
  get offeredTemplates(): readonly TemplateSummary[] {
    const offered = this.#found.slice(0, maxOfferedCount);
    const picked = this.#found.find(({ id }) => id === this.#templateId);
    return picked === undefined || offered.includes(picked) ? offered : [picked, ...offered.slice(0, -1)];
  }
  get moreTemplateCount(): number {
    return this.#found.length - this.offeredTemplates.length;
  }
  get isTemplateSearchable(): boolean {
    return (this.#templates?.length ?? 0) > maxOfferedCount;
  }
  get #found(): readonly TemplateSummary[] {
    const wanted = this.templateSearch.trim().toLocaleLowerCase();
    return (this.#templates ?? []).filter(({ name, subject }) =>
      `${name} ${subject}`.toLocaleLowerCase().includes(wanted),
    );
  }
  get templateId(): string | null {
    return this.#templateId;
  }
  /** How the email of this one differs from that of the activation which it repeats; null where it does not. */
  get templateChange(): string | null {
    if (this.#preset === null || this.#templates === null) return null;
    const { templateId, templateVersion } = this.#preset;
    const now = this.#templates.find(({ id }) => id === templateId);
    if (now === undefined) return activateMessages.templateGone;
    if (this.#templateId !== templateId || now.version === templateVersion) return null;
    return activateMessages.templateChanged(templateVersion, now.version);
  }
  get preview(): ActivationPreview | null {
    return this.#preview;
  }
  get counting(): boolean {
    return this.#counting;
  }
  /** What the chosen template does not print, though its readers are owed it. */
  get missingFields(): readonly FooterField[] {
    return this.#missingFields;
  }
  get sampleIndex(): number {
    return this.#sampleIndex;
  }
  get loadRefusal(): Refusal | null {
    return this.#loadRefusal;
  }
  get previewRefusal(): Refusal | null {
    return this.#previewRefusal;
  }
  get startRefusal(): Refusal | null {
    return this.#startRefusal;
  }
  /** Why a start was refused as not the one that was shown, in sentences; null where it was not. */
  get changes(): readonly string[] | null {
    return this.#changes;
  }
  /** 0: not starting; otherwise which attempt is under way. */
  get attempt(): number {
    return this.#attempt;
  }
  get starting(): boolean {
    return this.#attempt > 0;
  }
  /** The request is fixed: it was sent and may have been taken. */
  get fixed(): boolean {
    return this.#unanswered !== null;
  }
  /** Leads that match the filter now; null for leads that were selected one by one. */
  get matchCount(): number | null {
    return 'filter' in this.#audience ? (this.#preview?.total ?? 0) : null;
  }
  /** Above this many leads a colleague has to approve it; null where nobody has to approve this one. */
  get approvalAbove(): number | null {
    const above = this.#settings?.activate.approvalAbove ?? null;
    return above !== null && (this.#preview?.total ?? 0) > above ? above : null;
  }
  /** What the button does. */
  get startLabel(): string {
    const count = this.#preview?.willActivate ?? 0;
    if (this.approvalAbove !== null)
      return count > 0 ? approvalMessages.ask(count) : approvalMessages.askUncounted;
    if (this.timing.mode === 'later') {
      const isKnown = count > 0 && this.timing.freezeAt === 'scheduling';
      return isKnown ? timingMessages.schedule(count) : timingMessages.scheduleUncounted;
    }
    return count > 0 ? activateMessages.start(count) : activateMessages.startUncounted;
  }
  /** Who is selected, in words; null before it is known. */
  get audienceText(): string | null {
    if (this.#preview === null) return null;
    const { total } = this.#preview;
    return describeAudience(this.#audience, total) ?? activateMessages.picked(total);
  }
  /** What a start with the chosen times is held to; null while these are wrong, or no mail can be sent. */
  get manifest(): Manifest | null {
    const made = this.#preview?.manifest ?? null;
    if (made === null || !this.#isPlanned) return null;
    return withTimes(made.manifest, whenOf(this.#when));
  }
  /** The parts of the request that say when it leaves. */
  get #when(): Pick<ActivationStartRequest, 'schedule' | 'window' | 'waves'> {
    return { ...this.timing.request, ...this.waves.request };
  }
  /** Its times and its waves can be used. */
  get #isPlanned(): boolean {
    return this.timing.isUsable && this.waves.faultFor(this.#preview?.total ?? null) === null;
  }
  /** The count that must be typed before a start; null where none needs to be. */
  get countToType(): number | null {
    const count = this.#preview?.willActivate ?? 0;
    return count > (this.#settings?.activate.confirmAbove ?? standardConfirmAbove) ? count : null;
  }
  /** What the mail is sent with; null before it is known. */
  get settings(): Settings | null {
    return this.#settings;
  }
  /** How long the sending takes with the watches between its waves, in milliseconds; null before it is known. */
  get durationMs(): number | null {
    if (this.#settings === null || this.#preview === null || this.#preview.willActivate === 0) return null;
    const sendingMs = expectedMs(this.#preview.willActivate, this.#settings.mail);
    const { plan } = this.waves;
    const gapCount = Math.max(0, this.waves.sizesFor(this.#preview.total).length - 1);
    if (plan === null || gapCount === 0) return sendingMs;
    if ('perDay' in plan) return gapCount * dayMs;
    // What the provider does not report is not waited for.
    return sendingMs + (this.#settings.mail.reportsDeliveries ? gapCount * plan.watchMinutes * 60_000 : 0);
  }
  /** How many days the warm-up of the sender's domain makes of it, in words; null where it does not matter. */
  get warmUpText(): string | null {
    const { domain, mode, forecast } = this.#warmUp ?? {};
    const count = this.#preview?.willActivate ?? 0;
    if (domain === undefined || forecast === undefined || mode === 'warm' || count === 0) return null;
    return warmUpMessages.days(warmUpDays(count, forecast), forecast, domain);
  }
  /** The leads that are looked at because they are skipped, for this reason. */
  get skippedReason(): SkippedReason | null {
    return this.#skippedReason;
  }
  get skipped(): SkippedLeads | null {
    return this.#skipped;
  }
  get skippedRefusal(): Refusal | null {
    return this.#skippedRefusal;
  }
  get test(): TestMail {
    return this.#test;
  }
  get canStart(): boolean {
    if (this.starting) return false;
    if (this.fixed) return true;
    // A person may write it as it is shown, in groups of digits.
    if (this.countToType !== null && this.typedCount.replace(/[\s.,'’]/g, '') !== String(this.countToType)) {
      return false;
    }
    const touches = this.#preview === null ? this.#previewRefusal === null : this.#preview.willActivate > 0;
    if (!this.#isPlanned) return false;
    return this.name.trim() !== '' && this.#templateId !== null && !this.#counting && touches;
  }

  async load(): Promise<void> {
    this.#loadRefusal = null;
    const [answer, settings] = await Promise.all([api.templates(), api.settings()]);
    if (settings.ok) {
      this.#settings = settings.value;
      if (settings.value.mail.isWarmingUp) void this.#loadWarmUp();
    }
    if (!answer.ok) {
      this.#loadRefusal = answer.refusal;
      return;
    }
    this.#templates = answer.value.templates;
    const first =
      answer.value.templates.find(({ id }) => id === this.#preset?.templateId) ?? answer.value.templates[0];
    if (this.#templateId === null && first !== undefined) await this.choose(first.id);
  }

  /** The dialog does without it. */
  async #loadWarmUp(): Promise<void> {
    const answer = await api.warmUps();
    if (answer.ok) this.#warmUp = answer.value.domains[0] ?? null;
  }

  async choose(templateId: string): Promise<void> {
    this.#templateId = templateId;
    this.#missingFields = [];
    this.#changes = null;
    this.#test = { kind: 'none' };
    await Promise.all([this.count(), this.#lookAtFooter(templateId)]);
  }

  async #lookAtFooter(templateId: string): Promise<void> {
    const answer = await api.template(templateId);
    if (answer.ok && this.#templateId === templateId) this.#missingFields = missingFooterFields(answer.value);
  }

  /** The preview: who would be activated, and the mails of a few of them. */
  async count(): Promise<void> {
    const templateId = this.#templateId;
    if (templateId === null) return;
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#counting = true;
    const answer = await api.preview({ audience: this.#audience, templateId }, abort.signal);
    if (abort.signal.aborted) return;
    this.#counting = false;
    this.#previewRefusal = answer.ok ? null : answer.refusal;
    if (answer.ok) {
      this.#preview = answer.value;
      this.#sampleIndex = Math.min(this.#sampleIndex, Math.max(0, answer.value.sample.length - 1));
    }
  }

  /** Shows who is skipped for a reason; null shows the mail again. */
  async showSkipped(reason: SkippedReason | null): Promise<void> {
    this.#skippedReason = reason;
    this.#skipped = null;
    this.#skippedRefusal = null;
    if (reason === null) return;
    const answer = await api.skippedLeads(this.#audience, reason);
    if (this.#skippedReason !== reason) return;
    if (answer.ok) this.#skipped = answer.value;
    else this.#skippedRefusal = answer.refusal;
  }

  /** Sends the mail that is shown to the person who is signed in. */
  async sendTest(): Promise<void> {
    const templateId = this.#templateId;
    if (templateId === null || this.#test.kind === 'sending') return;
    this.#test = { kind: 'sending' };
    const template = await api.template(templateId);
    const leadId = this.#preview?.sample[this.#sampleIndex]?.leadId ?? null;
    const answer = template.ok
      ? await api.sendTestMail(
          { subject: template.value.subject, html: template.value.html, text: template.value.text },
          leadId,
        )
      : template;
    if (this.#templateId !== templateId) return;
    this.#test = answer.ok
      ? { kind: 'sent', to: answer.value.to }
      : { kind: 'refused', refusal: answer.refusal };
  }

  turnSample(step: 1 | -1): void {
    const count = this.#preview?.sample.length ?? 0;
    if (count > 0) this.#sampleIndex = (this.#sampleIndex + step + count) % count;
  }

  /** The dialog closes. A start that may have got through is left to the tracker, which asks for it. */
  abandon(): void {
    this.#abort?.abort();
    if (this.#unanswered !== null) this.#observer.abandoned(this.#unanswered.sessionId);
  }

  /** Starts the activation once: a second call while the first is under way does nothing. */
  async start(): Promise<void> {
    const templateId = this.#templateId;
    if (!this.canStart || templateId === null) return;
    // Counted while no mail could be sent. If it can be now, the person looks at it first.
    if (this.#unanswered === null && this.#preview?.manifest === null) {
      await this.count();
      if (this.#preview?.manifest !== null || !this.canStart) return;
    }
    this.#attempt = 1;
    this.#startRefusal = null;
    this.waves.refused = null;
    this.#changes = null;
    const made = this.#preview?.manifest ?? null;
    const wanted: ActivationStartRequest = {
      sessionId: newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count))),
      name: this.name.trim(),
      audience: this.#audience,
      templateId,
      ...this.#when,
    };
    // Only what is on the screen may start.
    const request = this.#unanswered ?? (await holdTo(wanted, made));
    this.#unanswered = request;
    this.#observer.expect(request.sessionId);
    const outcome = await startActivation(
      request,
      (sent) => api.start(sent),
      (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
      (attempt) => {
        this.#attempt = attempt;
      },
    );
    this.#attempt = 0;
    switch (outcome.kind) {
      case 'started':
        this.#unanswered = null;
        this.#observer.started(outcome.progress);
        return;
      case 'refused':
        this.#unanswered = null;
        this.#observer.refused(request.sessionId);
        await this.#refused(outcome.refusal);
        return;
      case 'unreachable':
        this.#startRefusal = outcome.refusal;
        return;
      default:
        outcome satisfies never;
    }
  }

  /** Shows why nothing was started; where it would be another activation by now, the one that it would be. */
  async #refused(refusal: Refusal): Promise<void> {
    if (refusal.kind === 'problem' && refusal.problem.code === 'waves_do_not_add_up') {
      this.waves.refused = refusal.problem.detail;
      await this.count();
      return;
    }
    if (refusal.kind !== 'problem' || refusal.problem.code !== 'manifest_changed') {
      this.#startRefusal = refusal;
      return;
    }
    const { differences = [], detail } = refusal.problem;
    this.#changes = differences.length === 0 ? [detail] : differences.map(({ message }) => message);
    // A typed count was for what was shown before.
    this.typedCount = '';
    await this.count();
  }
}
