/**
 * Calls about templates, suppressions and the sender.
 *
 * @module
 */
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
  TemplateVersionList,
} from '../../../../src/shared/schemas/mail.ts';
import type { Audience } from '../../../../src/shared/schemas/activation.ts';
import { call, type Answer } from './client.ts';

function send<T>(
  method: 'POST' | 'PUT',
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Answer<T>> {
  return call<T>(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

export const mailApi = {
  template: (id: string, version: number | null = null) =>
    call<TemplateDetail>(`/crm/templates/${id}${version === null ? '' : `?version=${version}`}`),
  versions: (id: string) => call<TemplateVersionList>(`/crm/templates/${id}/versions`),
  createTemplate: (content: TemplateCreate) => send<TemplateDetail>('POST', '/crm/templates', content),
  updateTemplate: (id: string, content: TemplateCreate, baseVersion: number) =>
    send<TemplateDetail>('PUT', `/crm/templates/${id}`, { ...content, baseVersion }),
  deleteTemplate: (id: string) => call<void>(`/crm/templates/${id}`, { method: 'DELETE' }),
  preview: (draft: TemplateDraft, leadId: number | null, signal: AbortSignal) =>
    send<TemplatePreview>(
      'POST',
      '/crm/templates/preview',
      { ...draft, ...(leadId === null ? {} : { leadId }) },
      signal,
    ),
  check: (draft: TemplateDraft, audience: Audience, signal: AbortSignal) =>
    send<TemplateCheck>('POST', '/crm/templates/check', { ...draft, audience }, signal),
  sendTest: (draft: TemplateDraft, leadId: number | null) =>
    send<{ to: string }>('POST', '/crm/templates/test', { ...draft, ...(leadId === null ? {} : { leadId }) }),

  suppressions: (view: { reason: SuppressionReason | null; cursor: string | null }) => {
    const query = new URLSearchParams();
    if (view.reason !== null) query.set('reason', view.reason);
    if (view.cursor !== null) query.set('cursor', view.cursor);
    return call<SuppressionPage>(`/crm/suppressions?${query.toString()}`);
  },
  /** The address goes in the body: nothing personal is ever in an address bar or a log of requests. */
  searchSuppression: (address: string) =>
    send<SuppressionPage>('POST', '/crm/suppressions/search', { address }),
  addSuppressions: (addresses: readonly string[], reason: 'manual' | 'imported', note: string) =>
    send<SuppressionImport>('POST', '/crm/suppressions', { addresses, reason, note }),
  removeSuppression: (id: string, note: string) =>
    send<void>('POST', `/crm/suppressions/${id}/remove`, { note }),

  senderCheck: () => call<SenderCheck>('/crm/sender-check'),
};
