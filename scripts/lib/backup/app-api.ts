/**
 * Calls of the running app by a script, signed in by an Access service token if one is given.
 *
 * @module
 */
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../processes.ts';

/** A problem response of the app. */
export class AppRefusal extends UserError {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Calls of the app at one address. */
export interface AppApi {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
}

/**
 * The app at this address. `CF_ACCESS_CLIENT_ID` and `CF_ACCESS_CLIENT_SECRET` sign in when Cloudflare Access is in
 * front; the token must have the role admin.
 */
export function appAt(url: string): AppApi {
  if (!URL.canParse(url)) throw new UserError(`${url} is not an address.`);
  const { protocol, hostname } = new URL(url);
  // The request has credentials, and an answer has a key.
  if (protocol !== 'https:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname)) {
    throw new UserError(`${url} must begin with https://.`);
  }
  const id = process.env['CF_ACCESS_CLIENT_ID'] ?? '';
  const secret = process.env['CF_ACCESS_CLIENT_SECRET'] ?? '';
  const signIn = id === '' ? {} : { 'cf-access-client-id': id, 'cf-access-client-secret': secret };
  async function call<T>(path: string, init: RequestInit): Promise<T> {
    let response: Response;
    try {
      response = await fetch(new URL(path, url), {
        ...init,
        redirect: 'manual',
        headers: { 'content-type': 'application/json', ...signIn },
      });
    } catch {
      throw new UserError(`Nothing answers at ${url}.`);
    }
    if (response.status >= 300 && response.status < 400) {
      throw new UserError(
        `${url} wants a sign-in. Set CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET to a service token with the role admin.`,
      );
    }
    const text = await response.text();
    if (response.status === 429) {
      await sleep(1_000 * Number(response.headers.get('retry-after') ?? '60'));
      return call(path, init);
    }
    if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
    let problem: { code?: string; detail?: string } = {};
    try {
      problem = JSON.parse(text) as typeof problem;
    } catch {
      // Not a response of the app.
    }
    throw new AppRefusal(
      problem.code ?? '',
      `${path}: ${String(response.status)} ${problem.detail ?? text.slice(0, 200)}`,
    );
  }
  return {
    get: (path) => call(path, { method: 'GET' }),
    post: (path, body = {}) => call(path, { method: 'POST', body: JSON.stringify(body) }),
  };
}

/** Fetches the key of the address hash, encrypted. Only the Worker can read the secret on Cloudflare. */
export async function fetchAddressHashKey(app: AppApi): Promise<string> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const { sealedKey } = await app.post<{ sealedKey: string }>('/crm/maintenance/address-hash-key', {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  });
  return privateDecrypt(
    { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    Buffer.from(sealedKey, 'base64'),
  ).toString('utf8');
}
