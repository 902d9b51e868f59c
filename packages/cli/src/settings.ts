/**
 * Where the product is and who asks: from the environment, else from the file that `login` writes.
 *
 * Invariants: only its owner can read the file; a secret is never in an argument, and never printed.
 *
 * @module
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { UsageError } from './usage.ts';

export interface Settings {
  url: string;
  /** Null: without a sign-in, as in local development. */
  token: { clientId: string; clientSecret: string } | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** By the XDG Base Directory Specification. */
export function settingsFile(env: Environment): string {
  const base = env['XDG_CONFIG_HOME'] ?? '';
  return join(base === '' ? join(homedir(), '.config') : base, 'lead-activation', 'settings.json');
}

function readFile(path: string): Settings | null {
  try {
    const { url, token } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Settings>;
    return typeof url === 'string' ? { url, token: token ?? null } : null;
  } catch {
    return null;
  }
}

/**
 * The settings of this call.
 *
 * @param urlOption - `--url`; a remembered token is not sent to another address
 * @throws UsageError where no address is known, or half a token is
 */
export function readSettings(env: Environment, urlOption: string | undefined): Settings {
  const remembered = readFile(settingsFile(env));
  const given = urlOption ?? env['LEAD_ACTIVATION_URL'];
  const url = checkUrl(given ?? remembered?.url ?? '');
  const clientId = env['CF_ACCESS_CLIENT_ID'] ?? '';
  const clientSecret = env['CF_ACCESS_CLIENT_SECRET'] ?? '';
  if ((clientId === '') !== (clientSecret === '')) {
    throw new UsageError('Set both CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET, or none.');
  }
  if (clientId !== '') return { url, token: { clientId, clientSecret } };
  const isSameHost = remembered !== null && new URL(remembered.url).origin === new URL(url).origin;
  return { url, token: isSameHost ? remembered.token : null };
}

/** @throws UsageError where it is no http address, or a token would travel unencrypted */
export function checkUrl(text: string): string {
  if (text === '') throw new UsageError('Say where the product is: lead-activation login --url https://…');
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`${text} is not an address like https://leads.example.com.`);
  }
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'http:' && !isLocal) {
    throw new UsageError(`${text} is not encrypted; use https.`);
  }
  return url.origin;
}

/** Remembers them, for this user only. @returns the file's path */
export function writeSettings(env: Environment, settings: Settings): string {
  const file = settingsFile(env);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  // The mode above is only that of a new file.
  chmodSync(file, 0o600);
  return file;
}
