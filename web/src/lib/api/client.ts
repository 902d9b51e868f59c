/**
 * Calls to the Worker. A refusal is a value, not an exception: either the server's own problem, or that no
 * answer came.
 *
 * @module
 */
import type { PersonExport } from '../../../../src/shared/schemas/audit.ts';
import type { Issue, Progress } from '../../../../src/shared/progress.ts';
import type { Timeline } from '../../../../src/shared/timeline.ts';
import type { Problem } from '../../../../src/shared/problem.ts';
import type {
  ActivationList,
  ActivationPreview,
  ActivationPreviewRequest,
  ActivationStartRequest,
  LeadHistory,
  LeadResultPage,
} from '../../../../src/shared/schemas/activation.ts';
import type { Settings } from '../../../../src/shared/schemas/common.ts';
import type {
  Import,
  ImportChunk,
  ImportList,
  ImportOpenRequest,
} from '../../../../src/shared/schemas/imports.ts';
import type {
  Lead,
  LeadFilter,
  LeadPage,
  LeadPatch,
  LeadValues,
  View,
} from '../../../../src/shared/schemas/leads.ts';
import type { TemplateSummary } from '../../../../src/shared/schemas/mail.ts';
import { messages } from '../messages/messages.ts';
import { apiHeaders, isSignedOut } from './sign-in.ts';

/** Why a call did not succeed. `unreachable`: nobody knows whether the server took it. */
export type Refusal =
  { kind: 'problem'; problem: Problem } | { kind: 'unreachable' } | { kind: 'signed_out' };
export type Answer<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/** A refusal as sentences for a person: what it is, and the particulars. */
export function describeRefusal(refusal: Refusal): { title: string; lines: string[] } {
  if (refusal.kind === 'unreachable') {
    return { title: messages.app.unreachable.title, lines: [messages.app.unreachable.text] };
  }
  if (refusal.kind === 'signed_out') {
    return { title: messages.app.signedOut.title, lines: [messages.app.signedOut.text] };
  }
  const { title, detail, errors, status, requestId } = refusal.problem;
  return {
    title,
    lines: [
      ...(detail !== '' && detail !== title ? [detail] : []),
      ...(errors ?? []).map((fault) => `${fault.path}: ${fault.message}`),
      // A reference only helps where the fault is ours.
      ...(status >= 500 && requestId ? [messages.app.requestId(requestId)] : []),
    ],
  };
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Problem>).title === 'string' &&
    typeof (value as Partial<Problem>).status === 'number' &&
    typeof (value as Partial<Problem>).code === 'string'
  );
}

export async function call<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  try {
    const response = await fetch(path, {
      ...init,
      headers: { ...apiHeaders, ...init.headers },
      cache: 'no-store',
      redirect: 'manual',
    });
    if (isSignedOut(response)) return { ok: false, refusal: { kind: 'signed_out' } };
    // An answer without a body has nothing to be read.
    if (response.status === 204) return { ok: true, value: undefined as T };
    const body: unknown = await response.json();
    if (response.ok) return { ok: true, value: body as T };
    // A gateway's own answer is no word of ours: the request may have got through.
    return isProblem(body)
      ? { ok: false, refusal: { kind: 'problem', problem: { ...body, detail: body.detail ?? '' } } }
      : { ok: false, refusal: { kind: 'unreachable' } };
  } catch {
    return { ok: false, refusal: { kind: 'unreachable' } };
  }
}

const send = <T>(
  method: 'POST' | 'PATCH',
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
const post = <T>(path: string, body: unknown, signal?: AbortSignal): Promise<Answer<T>> =>
  send<T>('POST', path, body, signal);

// What stands between may give a call without a body an empty one, which must not look like a form's.
const remove = (path: string): Promise<Answer<void>> =>
  call<void>(path, { method: 'DELETE', headers: { 'content-type': 'application/json' } });

/** A query string of the values that are set. */
function queryOf(values: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

export type Command = 'pause' | 'resume' | 'cancel' | 'retryFailed' | 'retryUnknown' | 'check' | 'assumeSent';

const commandCalls = {
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
  lead: (leadId: number) => call<Lead>(`/crm/leads/${leadId}`),
  leadHistory: (leadId: number) => call<LeadHistory>(`/crm/leads/${leadId}/history`),
  patchLead: (leadId: number, patch: LeadPatch) => send<Lead>('PATCH', `/crm/leads/${leadId}`, patch),
  eraseLead: (leadId: number) => remove(`/crm/leads/${leadId}`),
  /** The address goes in the body: nothing personal is ever in an address bar or a log of requests. */
  exportPerson: (email: string) => post<PersonExport>('/crm/leads/export', { email }),
  leadValues: () => call<LeadValues>('/crm/lead-values'),
  views: () => call<{ views: View[] }>('/crm/views'),
  saveView: (view: { name: string; query: string }) => post<View>('/crm/views', view),
  deleteView: (viewId: number) => remove(`/crm/views/${viewId}`),
  imports: (page: { cursor?: string | null; limit?: number }) =>
    call<ImportList>(`/crm/imports${queryOf(page)}`),
  import: (importId: string) => call<Import>(`/crm/imports/${importId}`),
  openImport: (request: ImportOpenRequest) => post<Import>('/crm/imports', request),
  /** @param body - the chunk as JSON, made where the file is read */
  putChunk: (importId: string, seq: number, body: string) =>
    call<ImportChunk>(`/crm/imports/${importId}/chunks/${seq}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(60_000),
    }),
  finishImport: (importId: string) => post<Import>(`/crm/imports/${importId}/finish`, {}),
  /** An import when only a part of it is gone: asked again, it goes on. */
  deleteImport: (importId: string) =>
    call<Import | undefined>(`/crm/imports/${importId}`, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
    }),
  undoImport: (importId: string) => post<Import>(`/crm/imports/${importId}/undo`, {}),
  templates: () => call<{ templates: TemplateSummary[] }>('/crm/templates'),
  settings: () => call<Settings>('/crm/settings'),
  preview: (request: ActivationPreviewRequest, signal?: AbortSignal) =>
    post<ActivationPreview>('/crm/activation/preview', request, signal),
  start: (request: ActivationStartRequest) =>
    post<Progress>('/crm/activation', request, AbortSignal.timeout(30_000)),
  activations: (page: { search?: string; cursor?: string | null; limit?: number }) =>
    call<ActivationList>(`/crm/activation${queryOf(page)}`),
  progress: (sessionId: string) => call<Progress>(`/crm/activation/progress/${sessionId}`),
  issues: (sessionId: string) =>
    call<{ rev: number; issues: Issue[] }>(`/crm/activation/${sessionId}/issues`),
  timeline: (sessionId: string) => call<Timeline>(`/crm/activation/${sessionId}/timeline`),
  results: (
    sessionId: string,
    view: { activation?: string; email?: string; cursor?: string | null; limit?: number },
  ) => call<LeadResultPage>(`/crm/activation/${sessionId}/leads${queryOf(view)}`),
  command: (sessionId: string, command: Command) =>
    post<Progress>(`/crm/activation/${sessionId}/${commandCalls[command].path}`, commandCalls[command].body),
  /** Refused once it has begun. */
  undoStart: (sessionId: string) => post<Progress>(`/crm/activation/${sessionId}/undo`, {}),
  eraseActivation: (sessionId: string) => remove(`/crm/activation/${sessionId}`),
};

/** Where all results of a run are downloaded from. */
export const resultsCsvUrl = (sessionId: string): string => `/crm/activation/${sessionId}/leads.csv`;

/** Where the rows of an import that were not taken are downloaded from. */
export const rejectedCsvUrl = (importId: string, outcome: 'rejected' | 'duplicate_in_file'): string =>
  `/crm/imports/${importId}/rejected.csv${outcome === 'rejected' ? '' : `?outcome=${outcome}`}`;
