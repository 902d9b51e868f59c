/**
 * `/crm/templates`: the templates, and the checks and previews of the editor.
 *
 * Owns the order of the checks before a template is stored. Liquid belongs to src/mail/templates/render.ts.
 * Invariant: a stored template compiled when it was stored; a built-in one cannot be changed.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { countEmptyFields } from '../../../crm/audience.ts';
import { getLead } from '../../../crm/leads/lead.ts';
import {
  createTemplate,
  deleteTemplate,
  listTemplateVersions,
  updateTemplate,
} from '../../../crm/templates.ts';
import { findBuiltinTemplate } from '../../../mail/templates/builtin.ts';
import {
  compileTemplate,
  senderNameOf,
  templateFields,
  type MailContext,
} from '../../../mail/templates/render.ts';
import {
  templateCheckRequestSchema,
  templateCheckSchema,
  templateCreateSchema,
  templatePreviewRequestSchema,
  templatePreviewSchema,
  templateSchema,
  templateTestRequestSchema,
  templateTestSchema,
  templateUpdateSchema,
  templateVersionListSchema,
  type TemplateDetail,
  type TemplateDraft,
  type TemplatePreview,
  templateListSchema,
} from '../../../shared/schemas/mail.ts';
import { recipientFrom, type Recipient } from '../../../shared/recipient.ts';
import { templateIdSchema } from '../../../shared/schemas/common.ts';
import type { App } from '../../app-env.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { requireSimpleFilter } from '../../http/params.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';
import { mailSettings, presentMailedAfter } from '../../operations/require-mail.ts';
import { allTemplates, findTemplate, invalidTemplate, withText } from '../../operations/templates.ts';
import { sendTestMail } from '../../operations/test-mail.ts';

const tags = ['templates'];
const params = z.object({
  templateId: templateIdSchema.openapi({ param: { name: 'templateId', in: 'path' } }),
});

const list = createRoute({
  method: 'get',
  path: '/crm/templates',
  operationId: 'listTemplates',
  tags,
  summary: 'All templates',
  responses: { 200: json('The templates.', templateListSchema), ...problems() },
});

const get = createRoute({
  method: 'get',
  path: '/crm/templates/{templateId}',
  operationId: 'getTemplate',
  tags,
  summary: 'One template, in its present version or in an earlier one',
  request: {
    params,
    query: z.object({
      version: z
        .string()
        .regex(/^[1-9]\d{0,8}$/, 'must be a version')
        .transform(Number)
        .optional()
        .openapi({ type: 'integer', minimum: 1 }),
    }),
  },
  responses: {
    200: json('The template.', templateSchema),
    ...problems('invalid_request', 'template_not_found'),
  },
});

const create = createRoute({
  method: 'post',
  path: '/crm/templates',
  operationId: 'createTemplate',
  tags,
  summary: 'Add a template',
  request: { body: body(templateCreateSchema) },
  responses: {
    201: json('The template is added.', templateSchema),
    ...problems(...bodyCodes, 'invalid_template', 'template_conflict'),
  },
});

const update = createRoute({
  method: 'put',
  path: '/crm/templates/{templateId}',
  operationId: 'updateTemplate',
  tags,
  summary: 'Change a template: adds a version',
  description: 'Sessions keep the version that they started with.',
  request: { params, body: body(templateUpdateSchema) },
  responses: {
    200: json('The new version.', templateSchema),
    ...problems(
      ...bodyCodes,
      'invalid_template',
      'template_not_found',
      'template_conflict',
      'template_read_only',
    ),
  },
});

const remove = createRoute({
  method: 'delete',
  path: '/crm/templates/{templateId}',
  operationId: 'deleteTemplate',
  tags,
  summary: 'Delete a template and its versions',
  request: { params },
  responses: {
    204: { description: 'The template is deleted.' },
    ...problems('invalid_request', 'template_not_found', 'template_read_only'),
  },
});

const versions = createRoute({
  method: 'get',
  path: '/crm/templates/{templateId}/versions',
  operationId: 'listTemplateVersions',
  tags,
  summary: 'The versions of a template, newest first',
  request: { params },
  responses: {
    200: json('The versions.', templateVersionListSchema),
    ...problems('invalid_request', 'template_not_found'),
  },
});

const preview = createRoute({
  method: 'post',
  path: '/crm/templates/preview',
  operationId: 'previewTemplate',
  tags,
  summary: 'A draft as one lead would receive it',
  request: { body: body(templatePreviewRequestSchema) },
  responses: {
    200: json('The mail, or the fault of the draft.', templatePreviewSchema),
    ...problems(...bodyCodes, 'lead_not_found'),
  },
});

const check = createRoute({
  method: 'post',
  path: '/crm/templates/check',
  operationId: 'checkTemplate',
  tags,
  summary: 'Fields of a draft that leads of an audience lack',
  request: { body: body(templateCheckRequestSchema) },
  responses: {
    200: json('The fields.', templateCheckSchema),
    ...problems(...bodyCodes, 'filter_too_complex'),
  },
});

const test = createRoute({
  method: 'post',
  path: '/crm/templates/test',
  operationId: 'sendTestMail',
  tags,
  summary: 'Send a draft to oneself',
  description:
    'Uses the transport and the gate of sessions. The only possible recipient is the person who asks.',
  request: { body: body(templateTestRequestSchema) },
  responses: {
    200: json('The mail provider accepted it.', templateTestSchema),
    ...problems(...bodyCodes, 'lead_not_found', 'invalid_template', 'mail_not_configured', 'mail_not_sent'),
  },
});

export function templateRoutes(app: App): void {
  app.openapi(list, async (c) => c.json({ templates: await allTemplates(c.env) }, 200));

  app.openapi(get, async (c) => {
    const { version } = c.req.valid('query');
    const template = await findTemplate(c.env, c.req.valid('param').templateId, version ?? null);
    if (template === null) throw new Refusal('template_not_found');
    return c.json(template, 200);
  });

  app.openapi(create, async (c) => {
    const content = c.req.valid('json');
    requireUsable(content);
    const authorship = { by: c.get('person').email, nowMs: Date.now() };
    const template = await createTemplate(c.env.DB, idsFor(content.name), content, authorship);
    if (template === null)
      throw new Refusal('template_conflict', 'There are too many templates of this name.');
    noteAudit(c, { target: `template:${template.id}`, after: versionOf(template) });
    return c.json(template, 201);
  });

  app.openapi(update, async (c) => {
    const { templateId } = c.req.valid('param');
    if (findBuiltinTemplate(templateId) !== null) throw new Refusal('template_read_only');
    const { baseVersion, ...content } = c.req.valid('json');
    requireUsable(content);
    const authorship = { by: c.get('person').email, nowMs: Date.now() };
    const answer = await updateTemplate(c.env.DB, templateId, baseVersion, content, authorship);
    if (answer.kind === 'not_found') throw new Refusal('template_not_found');
    if (answer.kind === 'conflict') {
      throw new Refusal(
        'template_conflict',
        `It is at version ${answer.version} now; yours began at ${baseVersion}.`,
      );
    }
    noteAudit(c, { before: { version: baseVersion }, after: versionOf(answer.template) });
    return c.json(answer.template, 200);
  });

  app.openapi(remove, async (c) => {
    const { templateId } = c.req.valid('param');
    if (findBuiltinTemplate(templateId) !== null) throw new Refusal('template_read_only');
    if (!(await deleteTemplate(c.env.DB, templateId))) throw new Refusal('template_not_found');
    return c.body(null, 204);
  });

  app.openapi(versions, async (c) => {
    const { templateId } = c.req.valid('param');
    if (findBuiltinTemplate(templateId) !== null) return c.json({ versions: [] }, 200);
    const found = await listTemplateVersions(c.env.DB, templateId);
    if (found.length === 0) throw new Refusal('template_not_found');
    return c.json({ versions: found }, 200);
  });

  app.openapi(preview, async (c) => {
    const { leadId, ...draft } = c.req.valid('json');
    const recipient = await requireRecipient(c.env, leadId ?? null);
    noteLeadsShown(c, leadId === undefined ? 0 : 1);
    return c.json(previewOf(draft, recipient, previewContext(c.env, c.req.url)), 200);
  });

  app.openapi(check, async (c) => {
    const { audience, ...draft } = c.req.valid('json');
    if ('filter' in audience) requireSimpleFilter(audience.filter);
    const { known, unknown } = templateFields(withText(draft));
    const { leadCount, emptyFields } = await countEmptyFields(
      c.env.DB,
      audience,
      known,
      presentMailedAfter(c.env),
    );
    return c.json({ leadCount, unknownFields: unknown, emptyFields }, 200);
  });

  app.openapi(test, async (c) => {
    const { leadId, ...draft } = c.req.valid('json');
    const recipient = await requireRecipient(c.env, leadId ?? null);
    const { mail, fault } = previewOf(draft, recipient, previewContext(c.env, c.req.url));
    if (mail === null) throw invalidTemplate(fault);
    return c.json(await sendTestMail(c.env, c.req.url, c.get('person'), mail), 200);
  });
}

/** A version as in the audit; its content stays with the template. */
function versionOf({ version, name, subject }: TemplateDetail): object {
  return { version, name, subject };
}

/** The recipient of a preview without a lead. */
const madeUpLead: Recipient = {
  leadId: 1,
  email: 'zoe.nakamura@example.com',
  firstName: 'Zoë',
  lastName: 'Nakamura',
  company: 'Lichtwerk GmbH',
  phone: '+49 30 901820',
  source: 'website',
  stage: 'trial',
};

async function requireRecipient(env: Env, leadId: number | null): Promise<Recipient> {
  if (leadId === null) return madeUpLead;
  const lead = await getLead(env.DB, leadId);
  if (lead === null) throw new Refusal('lead_not_found');
  return recipientFrom(lead);
}

/** The context of a session's mails, with another unsubscribe link: the real one would unsubscribe the lead. */
function previewContext(env: Env, requestUrl: string): MailContext {
  const { from, actionUrl, postalAddress, publicUrl } = mailSettings(env, requestUrl);
  return {
    senderName: senderNameOf(from),
    actionUrl,
    postalAddress,
    unsubscribeUrl: `${publicUrl ?? new URL(requestUrl).origin}/unsubscribe/preview`,
  };
}

function previewOf(draft: TemplateDraft, recipient: Recipient, context: MailContext): TemplatePreview {
  const full = withText(draft);
  const { unknown } = templateFields(full);
  const isTextMade = draft.text.trim() === '';
  const compiled = compileTemplate({ id: 'draft', version: 1, name: 'Draft', ...full });
  const rendered = compiled.kind === 'refused' ? compiled : compiled.render(recipient, context);
  if (rendered.kind === 'refused') {
    const { part, code, message } = rendered;
    return { mail: null, fault: { part, code, message }, unknownFields: unknown, isTextMade };
  }
  const { subject, html, text } = rendered;
  return {
    mail: { to: recipient.email, subject, html, text },
    fault: null,
    unknownFields: unknown,
    isTextMade,
  };
}

/** Refuses a template that does not compile or has no content. */
function requireUsable(draft: TemplateDraft): void {
  const { subject, html, text } = draft;
  const compiled = compileTemplate({
    id: 'draft',
    version: 1,
    name: 'Draft',
    ...withText({ subject, html, text }),
  });
  if (compiled.kind === 'refused') throw invalidTemplate(compiled);
  if (html.trim() === '' && text.trim() === '') {
    throw invalidTemplate({ part: 'html', message: 'The mail has no content.' });
  }
}

/** A readable id, and alternatives for when it is taken. */
function idsFor(name: string): string[] {
  const words = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 56)
    .replace(/-+$/, '');
  const base = words === '' ? 'template' : words;
  const ids = [base, ...Array.from({ length: 98 }, (_, index) => `${base}-${index + 2}`)];
  return ids.filter((id) => findBuiltinTemplate(id) === null);
}
