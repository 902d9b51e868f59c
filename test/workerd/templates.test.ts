import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type {
  TemplateCheck,
  TemplateDetail,
  TemplatePreview,
  TemplateVersionList,
  TemplateSummary,
} from '../../src/shared/schemas/mail.ts';
import type { Problem } from '../../src/shared/problem.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import {
  freshSessionId,
  request,
  send,
  startSession,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  resetHooks();
  db = await emptyCrm();
  await db.batch([db.prepare('DELETE FROM template_versions'), db.prepare('DELETE FROM templates')]);
  mail = new FakeMailApi().install();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const content = {
  name: 'Spring offer',
  description: 'For the fair',
  subject: 'Hello {{ firstName | default: "there" }}',
  html: '<p>Hi {{ firstName }} of {{ company }}</p>',
  text: '',
};

async function created(change: Partial<typeof content> = {}): Promise<TemplateDetail> {
  const response = await send('POST', '/crm/templates', { ...content, ...change });
  expect(response.status).toBe(201);
  return response.json();
}

async function previewed(draft: Record<string, unknown>): Promise<TemplatePreview> {
  const { subject, html, text } = content;
  const response = await send('POST', '/crm/templates/preview', { subject, html, text, ...draft });
  expect(response.status).toBe(200);
  return response.json();
}

describe('templates', () => {
  it('of people stand behind the built-in ones, which can be read and copied but not changed', async () => {
    const own = await created();
    expect(own).toMatchObject({
      id: 'spring-offer',
      version: 1,
      isBuiltin: false,
      updatedBy: 'ana@example.com',
    });
    const { templates } = await (await request('/crm/templates')).json<{ templates: TemplateSummary[] }>();
    expect(templates.map(({ id, isBuiltin }) => [id, isBuiltin])).toEqual([
      ['welcome', true],
      ['pick-up', true],
      ['spring-offer', false],
    ]);
    const welcome = await (await request('/crm/templates/welcome')).json<TemplateDetail>();
    expect(welcome.html).toContain('<!doctype html>');
    const change = { ...content, baseVersion: 1 };
    const refused = [
      await send('PUT', '/crm/templates/welcome', change),
      await send('DELETE', '/crm/templates/welcome'),
    ];
    expect(refused.map((response) => response.status)).toEqual([409, 409]);
    const { name, description, subject, html, text } = welcome;
    expect(await created({ name: `Copy of ${name}`, description, subject, html, text })).toMatchObject({
      id: 'copy-of-your-account-is-ready',
    });
  });

  it('get ids of their own, also with one name or with none that can be spelled', async () => {
    expect((await created({ name: 'Über uns!' })).id).toBe('uber-uns');
    expect((await created({ name: 'über UNS' })).id).toBe('uber-uns-2');
    expect((await created({ name: '你好' })).id).toBe('template');
    expect((await created({ name: 'Welcome' })).id).toBe('welcome-2');
  });

  it('keep every version, and nobody overwrites what they have not seen', async () => {
    const { id } = await created();
    const put = (baseVersion: number, subject: string) =>
      send('PUT', `/crm/templates/${id}`, { ...content, subject, baseVersion });
    expect(await (await put(1, 'Two')).json()).toMatchObject({ version: 2, subject: 'Two' });
    const late = await put(1, 'Other');
    expect(late.status).toBe(409);
    expect(await late.json()).toMatchObject({ code: 'template_conflict' });
    const { versions } = await (await request(`/crm/templates/${id}/versions`)).json<TemplateVersionList>();
    expect(versions.map(({ version, subject }) => [version, subject])).toEqual([
      [2, 'Two'],
      [1, content.subject],
    ]);
    expect(await (await request(`/crm/templates/${id}?version=1`)).json()).toMatchObject({
      subject: content.subject,
    });
    expect((await request(`/crm/templates/${id}?version=9`)).status).toBe(404);
    expect((await send('DELETE', `/crm/templates/${id}`)).status).toBe(204);
    expect((await request(`/crm/templates/${id}`)).status).toBe(404);
    expect((await send('DELETE', `/crm/templates/${id}`)).status).toBe(404);
  });

  it('that could not be rendered are refused with the part that is at fault', async () => {
    const faults = [
      [{ html: '{{ firstName' }, '/html'],
      [{ subject: '{{ nonsense }}' }, '/subject'],
      [{ text: '{% for a in b %}{% endfor %}' }, '/text'],
      [{ subject: ' ' }, '/subject'],
      [{ html: ' ', text: '' }, '/html'],
    ] as const;
    for (const [change, path] of faults) {
      const response = await send('POST', '/crm/templates', { ...content, ...change });
      expect(response.status).toBe(422);
      const problem = await response.json<Problem>();
      expect(problem.code).toBe('invalid_template');
      expect(problem.errors?.map((fault) => fault.path)).toEqual([path]);
    }
  });
});

describe('a session', () => {
  it('sends a template of one’s own, in the version that it started with', async () => {
    await addLeads(db, [{ firstName: 'Zoë' }, { firstName: '' }]);
    const { id } = await created();
    let isHeld = true;
    mail.fault = () =>
      isHeld ? { kind: 'answer', status: 429, headers: { 'retry-after': '1' } } : { kind: 'none' };
    const sessionId = freshSessionId();
    await startSession(sessionId, { filter: {} }, id);
    await waitFor(sessionId, () => mail.callCount > 0);
    await send('PUT', `/crm/templates/${id}`, { ...content, subject: 'Changed', baseVersion: 1 });
    isHeld = false;
    await waitForEnd(sessionId);
    expect(mail.mails.map(({ subject }) => subject).sort()).toEqual(['Hello Zoë', 'Hello there']);
  });

  it('prints custom fields, and freezes those that its template uses and no others', async () => {
    await addLeads(db, [{}, {}]);
    await patchCustom(1, { plan: 'gold', secret: 'do not copy' });
    const { id } = await created({ subject: 'On {{ custom.plan | default: "free" }}' });
    const sessionId = freshSessionId();
    await startSession(sessionId, { filter: {} }, id);
    await waitForEnd(sessionId);
    expect(mail.mails.map(({ subject }) => subject).sort()).toEqual(['On free', 'On gold']);
    const recipients = await runInDurableObject(
      env.ACTIVATION_SESSION.getByName(sessionId),
      (_, state) =>
        state.storage.sql.exec<{ recipients: string }>('SELECT recipients FROM batch').one().recipients,
    );
    expect(JSON.parse(recipients)).toMatchObject([{ custom: { plan: 'gold' } }, {}]);
    expect(recipients).not.toContain('secret');
  });

  it('cannot be started with a template that is gone', async () => {
    await addLeads(db, [{}]);
    const { id } = await created();
    await send('DELETE', `/crm/templates/${id}`);
    const body = { sessionId: freshSessionId(), audience: { filter: {} }, templateId: id };
    expect((await send('POST', '/crm/activation', body)).status).toBe(422);
  });
});

async function patchCustom(leadId: number, custom: Record<string, string>): Promise<void> {
  expect((await send('PATCH', `/crm/leads/${leadId}`, { custom })).status).toBe(200);
}

describe('a preview', () => {
  it('shows a draft as a lead would get it, with the text made from the HTML', async () => {
    await addLeads(db, [{ id: 5, firstName: 'Zoë', company: 'A & B' }]);
    expect(await previewed({ leadId: 5 })).toMatchObject({
      mail: {
        to: 'lead5@example.com',
        subject: 'Hello Zoë',
        html: '<p>Hi Zoë of A &amp; B</p>',
        text: 'Hi Zoë of A & B',
      },
      fault: null,
      unknownFields: [],
      isTextMade: true,
    });
  });

  it('keeps a script in a lead’s name text, wherever the template puts it', async () => {
    const firstName = '<script>alert(1)</script>"\' onload=x';
    await addLeads(db, [{ id: 6, firstName }]);
    const html =
      '<a href="{{ firstName }}" title=\'{{ firstName }}\'>{{ firstName }}</a>{{ firstName | append: company }}';
    const { mail: rendered } = await previewed({ leadId: 6, html });
    expect(rendered?.html).not.toMatch(/<script|"' onload|[^;]' onload/);
    expect(rendered?.html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('says what is wrong, and every field that no lead has', async () => {
    const answer = await previewed({ html: '{{ firstNam }} {{ age }} {{ company }}', subject: '{{ age }}' });
    expect(answer.mail).toBeNull();
    expect(answer.fault).toMatchObject({ part: 'subject', code: 'unknown_variable' });
    expect(answer.unknownFields).toEqual(['age', 'firstNam']);
  });

  it('of nobody is of a made-up lead; of a lead that does not exist it is refused', async () => {
    expect((await previewed({})).mail?.subject).toBe('Hello Zoë');
    const { subject, html, text } = content;
    const response = await send('POST', '/crm/templates/preview', { subject, html, text, leadId: 404 });
    expect(response.status).toBe(404);
  });

  it('has no link by which who looks at it could unsubscribe the lead', async () => {
    await addLeads(db, [{ id: 7 }]);
    const { mail: rendered } = await previewed({ leadId: 7, html: '<a href="{{ unsubscribeUrl }}">x</a>' });
    const link = /href="([^"]+)"/.exec(rendered?.html ?? '')?.[1] ?? '';
    expect((await request(new URL(link).pathname, { method: 'POST' })).status).toBe(404);
  });
});

describe('a check over an audience', () => {
  it('counts the leads that lack a field that the template uses', async () => {
    await addLeads(db, [
      { firstName: 'A', company: '' },
      { firstName: ' ', company: '' },
      { firstName: 'C', company: 'X' },
      { firstName: '', company: '', status: 'active' },
    ]);
    const { subject, html, text } = content;
    const draft = { subject, html: `${html}{{ phone }}{{ age }}{{ senderName }}`, text };
    const response = await send('POST', '/crm/templates/check', { ...draft, audience: { filter: {} } });
    expect(await response.json<TemplateCheck>()).toEqual({
      leadCount: 3,
      unknownFields: ['age'],
      emptyFields: [
        { field: 'company', emptyCount: 2 },
        { field: 'firstName', emptyCount: 1 },
        { field: 'phone', emptyCount: 3 },
      ],
    });
  });
});

describe('custom fields', () => {
  it('are previewed, dry run, listed and counted over an audience like any other', async () => {
    await addLeads(db, [{ id: 1 }, { id: 2 }, { id: 3 }]);
    await patchCustom(1, { plan: 'gold' });
    await patchCustom(2, { plan: 'silver', seats: '3' });
    const html = '<p>{{ custom.plan }} {{ custom.seats }}</p>';
    expect((await previewed({ leadId: 1, html })).mail?.html).toBe('<p>gold </p>');

    const { id } = await created({ html });
    const dryRun = await send('POST', '/crm/activation/preview', {
      audience: { filter: {} },
      templateId: id,
    });
    const { sample } = await dryRun.json<{ sample: { html: string }[] }>();
    expect(sample.map((mail) => mail.html)).toEqual(['<p>gold </p>', '<p>silver 3</p>', '<p> </p>']);

    const check = await send('POST', '/crm/templates/check', {
      ...{ subject: 'Hello', html, text: '' },
      audience: { filter: {} },
    });
    expect(await check.json<TemplateCheck>()).toEqual({
      leadCount: 3,
      unknownFields: [],
      emptyFields: [
        { field: 'custom.plan', emptyCount: 1 },
        { field: 'custom.seats', emptyCount: 2 },
      ],
    });
    expect(await (await request('/crm/lead-values')).json()).toMatchObject({ custom: ['plan', 'seats'] });
  });
});

describe('a stored template that does not compile any more', () => {
  it('is refused by a start and by its preview, and no session is made', async () => {
    await addLeads(db, [{}]);
    const { id } = await created();
    await db.prepare('UPDATE template_versions SET html = ? WHERE template_id = ?').bind('{% if %', id).run();
    const sessionId = freshSessionId();
    const audience = { filter: {} };
    for (const answer of [
      await send('POST', '/crm/activation', { sessionId, audience, templateId: id }),
      await send('POST', '/crm/activation/preview', { audience, templateId: id }),
    ]) {
      expect(answer.status).toBe(422);
      const problem = await answer.json<Problem>();
      expect(problem).toMatchObject({ code: 'invalid_template', errors: [{ path: '/html' }] });
      expect(problem.detail).toContain('“Spring offer” cannot be used');
    }
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(404);
    expect(mail.callCount).toBe(0);
  });
});

describe('a test mail', () => {
  const { subject, html, text } = content;
  const test = (change: Record<string, unknown> = {}) =>
    send('POST', '/crm/templates/test', { subject, html, text, ...change });

  it('goes to the person who asks, and to nobody else', async () => {
    const response = await test();
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ to: 'ana@example.com', messageId: 'mail-1' });
    expect(mail.mails).toMatchObject([{ to: 'ana@example.com', subject: '[Test] Hello Zoë' }]);
    expect((await test({ to: 'someone@example.com' })).status).toBe(422);
  });

  it('says in the provider’s words why it was not taken', async () => {
    mail.fault = () => ({
      kind: 'answer',
      status: 403,
      body: { name: 'invalid_api_key', message: 'API key is invalid' },
    });
    const response = await test();
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ code: 'mail_not_sent', detail: 'API key is invalid' });
  });

  it('is refused while mail cannot be sent, or the draft cannot be rendered', async () => {
    expect((await test({ html: '{{ age }}' })).status).toBe(422);
    hooks.env = { MAIL_PROVIDER: 'pigeon' };
    expect((await test()).status).toBe(409);
    expect(mail.callCount).toBe(0);
  });
});
