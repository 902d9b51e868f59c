/**
 * `/crm/test-inbox`: the emails that the stand-in mail API of local development took.
 *
 * Exists on the developer's machine alone: without LOCAL_PERSON, which a deployment never carries, and for an
 * inbox that is not on this machine, it answers as a path that does not exist.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import {
  testInboxSchema,
  testMailContentSchema,
  testMailIdSchema,
  type TestMail,
} from '../../../shared/schemas/mail.ts';
import { isLoopbackName } from '../../auth/access-settings.ts';
import { localPerson } from '../../auth/local-development.ts';
import type { App } from '../../app-env.ts';
import { json } from '../../http/openapi.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { noteLeadsShown } from '../../middleware/read-audit.ts';

const tags = ['service'];

/** The newest of them; a page that shows more is of no use to anybody. */
const maxShownCount = 200;
const maxWaitMs = 10_000;

const list = createRoute({
  method: 'get',
  path: '/crm/test-inbox',
  operationId: 'listTestMails',
  tags,
  summary: 'Emails that the stand-in took, newest first; in local development only',
  responses: { 200: json('The newest 200.', testInboxSchema), ...problems('not_found') },
});

const read = createRoute({
  method: 'get',
  path: '/crm/test-inbox/{mailId}',
  operationId: 'getTestMail',
  tags,
  summary: 'One of these emails with its content',
  request: {
    params: z.object({ mailId: testMailIdSchema.openapi({ param: { name: 'mailId', in: 'path' } }) }),
  },
  responses: {
    200: json('The email.', testMailContentSchema),
    ...problems('not_found', 'invalid_request'),
  },
});

/** What of the stand-in's answers is read: they have the form of Resend's. */
interface StandInMail {
  id: string;
  to: string[];
  from: string;
  subject: string;
  html?: string | null;
  text?: string | null;
  created_at?: string;
}

export function testInboxRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const { data } = await askStandIn<{ data: StandInMail[] }>(c.env, '/emails');
    const mails = data.map(toTestMail).sort((one, other) => (other.sentAt ?? 0) - (one.sentAt ?? 0));
    const shown = mails.slice(0, maxShownCount);
    noteLeadsShown(c, shown.length);
    return c.json({ mails: shown, total: mails.length }, 200, { 'cache-control': 'no-store' });
  });

  app.openapi(read, async (c) => {
    const mail = await askStandIn<StandInMail>(c.env, `/emails/${c.req.valid('param').mailId}`);
    noteLeadsShown(c, 1);
    const content = { ...toTestMail(mail), html: mail.html ?? '', text: mail.text ?? '' };
    return c.json(content, 200, { 'cache-control': 'no-store' });
  });
}

/** The address of the stand-in's API where there is one to show; null everywhere but in local development. */
export function testInboxUrl(env: Pick<Env, 'LOCAL_PERSON' | 'MAIL_INBOX_URL'>): URL | null {
  if (localPerson(env) === null || !URL.canParse(env.MAIL_INBOX_URL)) return null;
  const url = new URL(env.MAIL_INBOX_URL);
  return isLoopbackName(url.hostname) ? url : null;
}

async function askStandIn<T>(env: Env, path: string): Promise<T> {
  const inbox = testInboxUrl(env);
  if (inbox === null) throw new Refusal('not_found');
  const response = await fetch(new URL(path, inbox), {
    headers: { authorization: `Bearer ${env.MAIL_API_KEY}` },
    signal: AbortSignal.timeout(maxWaitMs),
  });
  if (!response.ok) throw new Refusal('not_found');
  return response.json();
}

function toTestMail({ id, to, from, subject, created_at = '' }: StandInMail): TestMail {
  const sentAt = Date.parse(created_at);
  return { id, to, from, subject, sentAt: Number.isNaN(sentAt) ? null : sentAt };
}
