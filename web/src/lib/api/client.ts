/**
 * Calls to the Worker: one function per route. A refusal is a value and not an exception: the server's own
 * problem, an expired sign-in, or no answer at all (packages/client/src/exchange.ts).
 *
 * Does not retry (`retry.ts`) and does not know what a screen says about a refusal (`ui/describe-refusal.ts`).
 *
 * @module
 */
import { exchange, type Answer, type Refusal } from '../../../../packages/client/src/exchange.ts';
import type { PersonExport } from '../../../../src/shared/schemas/audit.ts';
import type { Issue, Progress } from '../../../../src/shared/progress.ts';
import type { ReceiptKey } from '../../../../src/shared/schemas/receipt.ts';
import type { HashedTakeBackManifest } from '../../../../src/shared/schemas/take-back.ts';
import type { TakeBackChoice } from '../../../../src/shared/take-back.ts';
import type { Timeline } from '../../../../src/shared/timeline.ts';
import type {
  ActivationList,
  ActivationPreview,
  ActivationPreviewRequest,
  ActivationStartRequest,
  ActivationView,
  Audience,
  LeadHistory,
  LeadResultPage,
  NextWaveRequest,
  OriginalActivation,
  RescheduleRequest,
} from '../../../../src/shared/schemas/activation.ts';
import type { SessionManifest } from '../../../../src/shared/schemas/manifest.ts';
import type {
  Import,
  ImportChunk,
  ImportCheck,
  ImportList,
  ImportOpenRequest,
} from '../../../../src/shared/schemas/imports.ts';
import type {
  LeadFilter,
  LeadPage,
  LeadPatch,
  LeadValues,
  View,
} from '../../../../src/shared/schemas/leads.ts';
import type { Settings, SettingValues } from '../../../../src/shared/schemas/common.ts';
import type { Alerts } from '../../../../src/shared/schemas/health.ts';
import type {
  SenderCheck,
  SuppressionImport,
  SuppressionPage,
  SuppressionReason,
  TemplateCheck,
  TemplateCreate,
  TemplateDetail,
  TemplateDraft,
  TemplatePreview,
  ListedTemplate,
  TemplateVersionList,
  TestInbox,
  TestMailContent,
} from '../../../../src/shared/schemas/mail.ts';
import type {
  BulkEdit,
  BulkErase,
  BulkStep,
  BulkSuppress,
  BulkTag,
  LastResults,
  SkippedLeads,
  SkippedReason,
} from '../../../../src/shared/schemas/lead-bulk.ts';
import type { LeadCreate, LeadDetail } from '../../../../src/shared/schemas/leads.ts';
import type { WarmUpList, WarmUpView } from '../../../../src/shared/schemas/warm-up.ts';
import type { ChosenWarmUpMode } from '../../../../src/shared/warm-up.ts';
import type { ApprovalRequest } from '../../../../src/shared/schemas/approval.ts';

export type { Answer, Refusal };

/** @param read - the body of an answer that is no JSON */
export const call = <T>(
  path: string,
  init: RequestInit = {},
  read?: (response: Response) => Promise<T>,
): Promise<Answer<T>> => exchange<T>((input, options) => fetch(input, options), path, init, read);

export const send = <T>(
  method: 'POST' | 'PUT' | 'PATCH',
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Answer<T>> =>
  call<T>(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
export const post = <T>(path: string, body: unknown, signal?: AbortSignal): Promise<Answer<T>> =>
  send<T>('POST', path, body, signal);

// A proxy may add an empty body. Without this content type it would look like a form, which the server refuses.
export const remove = (path: string): Promise<Answer<void>> =>
  call<void>(path, { method: 'DELETE', headers: { 'content-type': 'application/json' } });

/** A query string of the values that are set. */
function queryOf(values: Record<string, string | number | readonly string[] | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value]) {
      if (one !== null && one !== undefined && one !== '') query.append(name, String(one));
    }
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

export type Command =
  'startNow' | 'pause' | 'resume' | 'cancel' | 'retryFailed' | 'retryUnknown' | 'check' | 'assumeSent';

const commandCalls = {
  startNow: { path: 'start-now', body: {} },
  pause: { path: 'pause', body: {} },
  resume: { path: 'resume', body: {} },
  cancel: { path: 'cancel', body: {} },
  retryFailed: { path: 'retry', body: { outcome: 'failed' } },
  retryUnknown: { path: 'retry', body: { outcome: 'unknown' } },
  check: { path: 'check', body: {} },
  assumeSent: { path: 'assume-sent', body: {} },
} as const satisfies Record<Command, { path: string; body: object }>;

export const api = {
  leads: (
    view: { [Name in keyof LeadFilter]?: LeadFilter[Name] | null } & {
      sort?: string;
      cursor?: string | null;
      limit?: number;
    },
    signal?: AbortSignal,
  ) => call<LeadPage>(`/crm/leads${queryOf(view)}`, signal === undefined ? {} : { signal }),
  lead: (leadId: number) => call<LeadDetail>(`/crm/leads/${leadId}`),
  createLead: (draft: LeadCreate) => post<LeadDetail>('/crm/leads', draft),
  /** What became of the last email of each of these leads. */
  lastResults: (leadIds: readonly number[]) => post<LastResults>('/crm/leads/results', { leadIds }),
  /** Who of an audience an activation would skip for a reason: the first of them. */
  skippedLeads: (audience: Audience, reason: SkippedReason) =>
    post<SkippedLeads>('/crm/leads/skipped', { audience, reason }),
  bulkEdit: (request: BulkEdit) => post<BulkStep>('/crm/leads/bulk/edit', request),
  bulkTag: (request: BulkTag) => post<BulkStep>('/crm/leads/bulk/tags', request),
  bulkSuppress: (request: BulkSuppress) => post<BulkStep>('/crm/leads/bulk/suppress', request),
  bulkErase: (request: BulkErase) => post<BulkStep>('/crm/leads/bulk/erase', request),
  leadsCsv: (audience: Audience) =>
    call<Blob>(
      '/crm/leads.csv',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ audience }),
      },
      (response) => response.blob(),
    ),
  leadHistory: (leadId: number) => call<LeadHistory>(`/crm/leads/${leadId}/history`),
  patchLead: (leadId: number, patch: LeadPatch) => send<LeadDetail>('PATCH', `/crm/leads/${leadId}`, patch),
  eraseLead: (leadId: number) => remove(`/crm/leads/${leadId}`),
  /** The address goes in the body, so that no URL and no request log holds personal data. */
  exportPerson: (email: string) => post<PersonExport>('/crm/leads/export', { email }),
  /** A repeat changes nothing. */
  erasePerson: (email: string) => post<void>('/crm/leads/erase', { email }),
  leadValues: () => call<LeadValues>('/crm/lead-values'),
  views: () => call<{ views: View[] }>('/crm/views'),
  saveView: (view: { name: string; query: string }) => post<View>('/crm/views', view),
  deleteView: (viewId: number) => remove(`/crm/views/${viewId}`),
  imports: (page: { cursor?: string | null; limit?: number }) =>
    call<ImportList>(`/crm/imports${queryOf(page)}`),
  import: (importId: string) => call<Import>(`/crm/imports/${importId}`),
  /** Says what rows would do and writes nothing. @param body - the request as JSON */
  checkImport: (body: string) =>
    call<ImportCheck>('/crm/imports/check', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(60_000),
    }),
  openImport: (request: ImportOpenRequest) => post<Import>('/crm/imports', request),
  /** @param body - the chunk as JSON; the worker that reads the file makes it */
  putChunk: (importId: string, seq: number, body: string) =>
    call<ImportChunk>(`/crm/imports/${importId}/chunks/${seq}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(60_000),
    }),
  finishImport: (importId: string) => post<Import>(`/crm/imports/${importId}/finish`, {}),
  /** Answers with the import while only a part of it is deleted; call again to go on. */
  deleteImport: (importId: string) =>
    call<Import | undefined>(`/crm/imports/${importId}`, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
    }),
  undoImport: (importId: string) => post<Import>(`/crm/imports/${importId}/undo`, {}),
  templates: () => call<{ templates: ListedTemplate[] }>('/crm/templates'),
  template: (id: string, version: number | null = null) =>
    call<TemplateDetail>(`/crm/templates/${id}${queryOf({ version })}`),
  templateVersions: (id: string) => call<TemplateVersionList>(`/crm/templates/${id}/versions`),
  createTemplate: (content: TemplateCreate) => post<TemplateDetail>('/crm/templates', content),
  updateTemplate: (id: string, content: TemplateCreate, baseVersion: number) =>
    send<TemplateDetail>('PUT', `/crm/templates/${id}`, { ...content, baseVersion }),
  deleteTemplate: (id: string) => remove(`/crm/templates/${id}`),
  previewTemplate: (draft: TemplateDraft, leadId: number | null, signal: AbortSignal) =>
    post<TemplatePreview>(
      '/crm/templates/preview',
      { ...draft, ...(leadId === null ? {} : { leadId }) },
      signal,
    ),
  checkTemplate: (draft: TemplateDraft, audience: Audience, signal: AbortSignal) =>
    post<TemplateCheck>('/crm/templates/check', { ...draft, audience }, signal),
  sendTestMail: (draft: TemplateDraft, leadId: number | null) =>
    post<{ to: string }>('/crm/templates/test', { ...draft, ...(leadId === null ? {} : { leadId }) }),
  suppressions: (view: { reason: SuppressionReason | null; cursor: string | null }) =>
    call<SuppressionPage>(`/crm/suppressions${queryOf(view)}`),
  /** The address goes in the body, as with `exportPerson`. */
  searchSuppression: (address: string) => post<SuppressionPage>('/crm/suppressions/search', { address }),
  addSuppressions: (addresses: readonly string[], reason: 'manual' | 'imported', note: string) =>
    post<SuppressionImport>('/crm/suppressions', { addresses, reason, note }),
  removeSuppression: (id: string, note: string) => post<void>(`/crm/suppressions/${id}/remove`, { note }),
  warmUps: () => call<WarmUpList>('/crm/warm-up'),
  changeWarmUp: (domain: string, mode: ChosenWarmUpMode) =>
    send<WarmUpView>('PATCH', `/crm/warm-up/${domain}`, { mode }),
  senderCheck: () => call<SenderCheck>('/crm/sender-check'),
  settings: () => call<Settings>('/crm/settings'),
  settingValues: () => call<SettingValues>('/crm/settings/values'),
  alerts: () => call<Alerts>('/crm/alerts'),
  testInbox: () => call<TestInbox>('/crm/test-inbox'),
  testMail: (id: string) => call<TestMailContent>(`/crm/test-inbox/${id}`),
  /** What an activation was started with; its audience is null where that is not exactly known any more. */
  originalActivation: (sessionId: string) =>
    call<OriginalActivation>(`/crm/activation/${sessionId}/original`),
  /** What an activation was started with, in so far as it is agreed on and never deleted. */
  manifestOf: (sessionId: string) => call<SessionManifest>(`/crm/activation/${sessionId}/manifest`),
  /** What an approver looks at. */
  approval: (sessionId: string) => call<ApprovalRequest>(`/crm/activation/${sessionId}/approval`),
  approve: (sessionId: string, manifestHash: string) =>
    post<Progress>(`/crm/activation/${sessionId}/approve`, { manifestHash }),
  reject: (sessionId: string, manifestHash: string, reason: string) =>
    post<Progress>(`/crm/activation/${sessionId}/reject`, { manifestHash, reason }),
  preview: (request: ActivationPreviewRequest, signal?: AbortSignal) =>
    post<ActivationPreview>('/crm/activation/preview', request, signal),
  start: (request: ActivationStartRequest) =>
    post<Progress>('/crm/activation', request, AbortSignal.timeout(30_000)),
  activations: (
    page: {
      search?: string;
      view?: ActivationView | '';
      mine?: 'true';
      cursor?: string | null;
      limit?: number;
    },
    signal?: AbortSignal,
  ) => call<ActivationList>(`/crm/activation${queryOf(page)}`, signal === undefined ? {} : { signal }),
  progress: (sessionId: string) => call<Progress>(`/crm/activation/progress/${sessionId}`),
  issues: (sessionId: string) =>
    call<{ rev: number; issues: Issue[] }>(`/crm/activation/${sessionId}/issues`),
  timeline: (sessionId: string) => call<Timeline>(`/crm/activation/${sessionId}/timeline`),
  results: (
    sessionId: string,
    view: { activation?: string; email?: string; code?: string; cursor?: string | null; limit?: number },
  ) => call<LeadResultPage>(`/crm/activation/${sessionId}/leads${queryOf(view)}`),
  command: (sessionId: string, command: Command) =>
    post<Progress>(`/crm/activation/${sessionId}/${commandCalls[command].path}`, commandCalls[command].body),
  /** Goes on from what is seen: a wave that is watched, or this hold of it. Asked twice, it does nothing more. */
  nextWave: (sessionId: string, seen: NextWaveRequest) =>
    post<Progress>(`/crm/activation/${sessionId}/next-wave`, seen),
  /** Changes the start time of one that has not begun, or the hours in which it sends. */
  reschedule: (sessionId: string, request: RescheduleRequest) =>
    post<Progress>(`/crm/activation/${sessionId}/schedule`, request),
  /** Refused once sending has begun. */
  undoStart: (sessionId: string) => post<Progress>(`/crm/activation/${sessionId}/undo`, {}),
  /** What taking an activation back would do now. */
  takeBackManifest: (sessionId: string, choice: TakeBackChoice) =>
    post<HashedTakeBackManifest>(`/crm/activation/${sessionId}/take-back/manifest`, { choice }),
  /** Makes its leads new again; refused where by now something else would be done. */
  takeBack: (sessionId: string, request: { choice: TakeBackChoice; manifestHash: string }) =>
    post<Progress>(`/crm/activation/${sessionId}/take-back`, request),
  /** The key of the addresses in its receipt. */
  receiptKey: (sessionId: string) => call<ReceiptKey>(`/crm/activation/${sessionId}/receipt/key`),
  eraseActivation: (sessionId: string) => remove(`/crm/activation/${sessionId}`),
};

/** Where all results of an activation are downloaded from. */
export const resultsCsvUrl = (sessionId: string): string => `/crm/activation/${sessionId}/leads.csv`;

/** Where the receipt of an activation is downloaded from. */
export const receiptUrl = (sessionId: string): string => `/crm/activation/${sessionId}/receipt`;

/** Where the rows of an import that were not taken are downloaded from. */
export const rejectedCsvUrl = (importId: string, outcome: 'rejected' | 'duplicate_in_file'): string =>
  `/crm/imports/${importId}/rejected.csv${outcome === 'rejected' ? '' : `?outcome=${outcome}`}`;
