/**
 * Local development: one named person without a sign-in, on this machine only.
 *
 * LOCAL_PERSON is set by `npm start` and by tests. It is not in wrangler.toml, and a deploy refuses it.
 * Invariant: while it is set, only requests whose Host is a name of this machine are answered. Another site can make
 * its own name resolve to 127.0.0.1 (DNS rebinding), but the Host of such a request is still that name.
 *
 * @module
 */
import { createMiddleware } from 'hono/factory';
import { isLoopbackName } from './access-settings.ts';
import type { AppEnv } from '../app-env.ts';
import { Refusal } from '../http/problem.ts';

/** The e-mail address of the person of local development, or null. */
export function localPerson({ LOCAL_PERSON }: Pick<Env, 'LOCAL_PERSON'>): string | null {
  const email = LOCAL_PERSON?.trim() ?? '';
  return email === '' ? null : email;
}

/** While there is a local person, refuses every request whose host is not a name of this machine. */
export const loopbackOnly = createMiddleware<AppEnv>(async (c, next) => {
  if (localPerson(c.env) !== null && !isForThisMachine(c.req.raw)) {
    throw new Refusal(
      'wrong_host',
      'Local development answers at localhost and 127.0.0.1 only. Open it under one of these names.',
    );
  }
  await next();
});

/** The last verdict: all calls of a page have the same host, and parsing two URLs costs as much as a short handler. */
let checked = { origin: '', host: null as string | null, isForThisMachine: false };

/** Checks the URL and the header: a proxy in front may have changed either. */
function isForThisMachine({ url, headers }: Request): boolean {
  const host = headers.get('host');
  const origin = url.slice(0, url.indexOf('/', 'https://'.length));
  if (checked.origin !== origin || checked.host !== host) {
    checked = { origin, host, isForThisMachine: isLoopback(url, host) };
  }
  return checked.isForThisMachine;
}

function isLoopback(url: string, host: string | null): boolean {
  const hostUrl = `http://${host ?? ''}`;
  return (
    isLoopbackName(new URL(url).hostname) &&
    (host === null || (URL.canParse(hostUrl) && isLoopbackName(new URL(hostUrl).hostname)))
  );
}
