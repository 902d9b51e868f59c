/**
 * The built-in and the stored templates in one list.
 *
 * @module
 */
import { getTemplate, listTemplates } from '../../crm/templates.ts';
import { builtinTemplates, findBuiltinTemplate } from '../../mail/templates/builtin.ts';
import { compileTemplate, type CompiledTemplate } from '../../mail/templates/render.ts';
import { textFromHtml } from '../../mail/templates/text-from-html.ts';
import type { TemplateDetail, TemplateDraft, TemplateSummary } from '../../shared/schemas/mail.ts';
import type { FrozenTemplate } from '../../shared/recipient.ts';
import { Refusal } from '../http/problem.ts';

/** All templates: the built-in ones first. */
export async function allTemplates(env: Env): Promise<TemplateSummary[]> {
  const builtin = builtinTemplates.map(({ id, name, version, subject, description }) => ({
    ...{ id, name, version, subject, description },
    isBuiltin: true,
  }));
  return [...builtin, ...(await listTemplates(env.DB))];
}

/** One template, or null. A built-in one has only its present version. */
export async function findTemplate(
  env: Env,
  id: string,
  version: number | null = null,
): Promise<TemplateDetail | null> {
  const builtin = findBuiltinTemplate(id);
  if (builtin === null) return getTemplate(env.DB, id, version);
  return version === null || version === builtin.version
    ? { ...builtin, isBuiltin: true, updatedAt: null, updatedBy: null }
    : null;
}

/**
 * The template as a session keeps it from its start on.
 *
 * @throws Refusal when there is no such template
 */
export async function requireTemplate(env: Env, id: string): Promise<FrozenTemplate> {
  const template = await findTemplate(env, id);
  if (template === null) throw new Refusal('unknown_template', `There is no template “${id}”.`);
  return { ...withText(template), id, version: template.version, name: template.name };
}

/**
 * Compiles a stored template. One that was stored under older rules may not compile any more.
 *
 * @throws Refusal with the reason
 */
export function compileUsable(template: FrozenTemplate): CompiledTemplate {
  const compiled = compileTemplate(template);
  if (compiled.kind !== 'refused') return compiled;
  throw invalidTemplate(compiled, `The template “${template.name}” cannot be used: ${compiled.message}`);
}

/** The refusal of a template with a fault in one of its parts. */
export function invalidTemplate(
  fault: { part: string; message: string } | null,
  detail: string | undefined = fault?.message,
): Refusal {
  return new Refusal(
    'invalid_template',
    detail,
    fault === null ? [] : [{ path: `/${fault.part}`, message: fault.message }],
  );
}

/** A draft with its plain text; an empty one is made from the HTML. */
export function withText({ subject, html, text }: TemplateDraft): TemplateDraft {
  return { subject, html, text: text.trim() === '' ? textFromHtml(html) : text };
}
