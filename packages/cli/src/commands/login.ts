/**
 * `lead-activation login`: asks for a service token, tries it, and remembers it.
 *
 * @module
 */
import { createClient } from '../../../client/src/index.ts';
import { checkUrl, writeSettings, type Settings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError, exitCodes } from '../usage.ts';
import type { CallOptions, ExitCode } from './call.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UsageError where nobody can be asked, and what the client throws */
export async function login(options: CallOptions, terminal: Terminal, env: Environment): Promise<ExitCode> {
  const url = checkUrl(options.url ?? env['LEAD_ACTIVATION_URL'] ?? '');
  const token = await askToken(options, terminal);
  const client = createClient({ url, ...(token === null ? {} : { token }), giveUpAfterMs: 10_000 });
  const { user } = await client.request('get', '/crm/settings');
  const file = writeSettings(env, { url, token });
  await terminal.write(`${user.name}, role ${user.role}, at ${url}. Remembered in ${file}\n`);
  return exitCodes.ok;
}

async function askToken({ 'client-id': given }: CallOptions, { ask }: Terminal): Promise<Settings['token']> {
  if (ask === null) {
    throw new UsageError(
      'login asks for the secret on a terminal. Elsewhere set LEAD_ACTIVATION_URL, CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET.',
    );
  }
  const clientId = (
    given ?? (await ask('Client id of the service token (empty: none)', { isSecret: false }))
  ).trim();
  if (clientId === '') return null;
  const clientSecret = (await ask('Client secret', { isSecret: true })).trim();
  if (clientSecret === '') throw new UsageError('A service token has a secret.');
  return { clientId, clientSecret };
}
