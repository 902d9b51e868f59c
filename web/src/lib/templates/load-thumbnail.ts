/**
 * The HTML of a template's small picture: rendered for the sample lead, or, for a person who may not read leads,
 * with its fields left blank.
 *
 * @module
 */
import { api } from '../api/client.ts';

/** Null where the template or its rendering is not to be had. */
export async function loadThumbnail(
  id: string,
  readsLeads: boolean,
): Promise<{ subject: string; html: string } | null> {
  const template = await api.template(id);
  if (!template.ok) return null;
  const { subject, html, text } = template.value;
  if (readsLeads) {
    const preview = await api.previewTemplate({ subject, html, text }, null, AbortSignal.timeout(30_000));
    if (preview.ok && preview.value.mail !== null) return preview.value.mail;
  }
  return { subject: withoutLiquid(subject), html: withoutLiquid(html) };
}

/** Leaves out what Liquid would fill in. */
export function withoutLiquid(html: string): string {
  return html.replace(/\{%[\s\S]*?%\}/g, '').replace(/\{\{[\s\S]*?\}\}/g, '…');
}
