/**
 * `/unsubscribe/:token`: one-click unsubscribe (RFC 8058), for people and for their mail programs.
 *
 * Public: no identity, no cookie, no script.
 * Invariant: GET changes nothing, because scanners follow every link. POST works at once and asks nothing, because mail
 * programs send it for a person.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { hasOpenUnsubscribe } from '../../../crm/event-endpoints.ts';
import { suppressHash } from '../../../crm/suppressions.ts';
import { logEvent } from '../../../runtime/log.ts';
import { readUnsubscribeToken } from '../../../mail/unsubscribe-token.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { problems } from '../../http/problem.ts';
import { tellUnsubscribes } from '../../operations/unsubscribes.ts';

const page = { 'text/html': { schema: z.string() } };
const request = {
  params: z.object({ token: z.string().openapi({ param: { name: 'token', in: 'path' } }) }),
};
const tags = ['unsubscribe'];
const notOurs = { description: 'The link is damaged: a page that says so.', content: page };

const show = createRoute({
  method: 'get',
  path: '/unsubscribe/{token}',
  operationId: 'showUnsubscribe',
  tags,
  summary: 'A page with a button; changes nothing',
  request,
  responses: { 200: { description: 'The page.', content: page }, ...problems(), 404: notOurs },
});

const unsubscribe = createRoute({
  method: 'post',
  path: '/unsubscribe/{token}',
  operationId: 'unsubscribe',
  tags,
  summary: 'Unsubscribe the address that the mail was sent to, at once (RFC 8058)',
  description: 'The body, `List-Unsubscribe=One-Click`, is not read.',
  request: {
    ...request,
    body: { content: { 'application/x-www-form-urlencoded': { schema: z.unknown() } } },
  },
  responses: {
    200: { description: 'The address is unsubscribed, now or before.', content: page },
    ...problems(),
    404: notOurs,
  },
});

export function unsubscribeRoutes(app: App): void {
  // Registered for the description only: no validation of a body may keep a person subscribed.
  app.openAPIRegistry.registerPath(show);
  app.get('/unsubscribe/:token', (c) => {
    const claim = readUnsubscribeToken(c.env.ADDRESS_HASH_KEY, c.req.param('token'));
    return claim === null ? answer(c, 404, damaged) : answer(c, 200, question);
  });

  app.openAPIRegistry.registerPath(unsubscribe);
  app.post('/unsubscribe/:token', async (c) => {
    const claim = readUnsubscribeToken(c.env.ADDRESS_HASH_KEY, c.req.param('token'));
    if (claim === null) return answer(c, 404, damaged);
    const { sessionId, leadId, emailHash } = claim;
    const reason = 'unsubscribed' as const;
    const entry = {
      emailHash,
      leadId,
      address: null,
      reason,
      nowMs: Date.now(),
      sessionId,
      isLink: true,
    } as const;
    if (await suppressHash(c.env.DB, entry))
      logEvent('info', 'unsubscribed', { requestId: c.get('requestId'), sessionId, leadId });
    if (await hasOpenUnsubscribe(c.env.DB, { sessionId, leadId }))
      c.executionCtx.waitUntil(tellUnsubscribes(c.env, [{ sessionId, leadId }]));
    return answer(c, 200, done);
  });
}

interface Words {
  title: string;
  text: string;
  button?: string;
}

const question: Words = {
  title: 'Unsubscribe?',
  text: 'You will get no further mail of this kind from us at this address.',
  button: 'Unsubscribe',
};
const done: Words = {
  title: 'You are unsubscribed',
  text: 'It has taken effect. You can close this page.',
};
const damaged: Words = {
  title: 'This link does not work',
  text: 'It is not complete. Please use the link in the mail itself, or reply to the mail.',
};

function answer(c: Context<AppEnv>, status: 200 | 404, words: Words): Response {
  return c.html(document(words), status, {
    // The page loads nothing and cannot be framed, and no other site gets the token in its address.
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-robots-tag': 'noindex',
    'x-content-type-options': 'nosniff',
  });
}

/** The form has no action, so it posts to the address of the page. */
const document = ({ title, text, button }: Words): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>
  body { margin: 0; min-height: 100dvh; display: grid; place-items: center; font: 1.0625rem/1.5 system-ui, sans-serif; background: #f3f5f9; color: #141a26 }
  main { box-sizing: border-box; width: min(28rem, 100% - 2rem); padding: 2.25rem 2rem; background: #fff; border: 1px solid #e2e7f0; border-radius: 14px }
  h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25 }
  p { margin: 0; color: #4a5264 }
  form { margin: 1.5rem 0 0 }
  button { font: inherit; font-weight: 600; padding: .7rem 1.4rem; border: 0; border-radius: 9px; background: #3d55c4; color: #fff; cursor: pointer }
  button:focus-visible { outline: 3px solid #9db0ff; outline-offset: 2px }
  @media (prefers-color-scheme: dark) {
    body { background: #10141c; color: #eef1f8 }
    main { background: #1a2030; border-color: #2b3448 }
    p { color: #aab4c8 }
  }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p>${text}</p>
${button === undefined ? '' : `<form method="post"><button type="submit" name="List-Unsubscribe" value="One-Click">${button}</button></form>`}
</main>
</body>
</html>
`;
