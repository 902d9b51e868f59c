/**
 * An environment on a Cloudflare account as the source of a backup.
 *
 * Invariant: nothing is written there. The Time Travel bookmark before and after tells whether the database changed
 * while it was read.
 *
 * @module
 */
import { UserError } from '../processes.ts';
import { appAt, fetchAddressHashKey } from './app-api.ts';
import type { BackupSource } from './backup-folder.ts';
import { CloudflareEnvironment, signIn } from './cloudflare-account.ts';

/** The source of a backup over an environment. */
export async function remoteSource(
  environment: CloudflareEnvironment,
  addressHashKey: string,
): Promise<BackupSource> {
  const settings = await environment.settings();
  const before = await environment.bookmark();
  return {
    name: `the database ${environment.name}`,
    query: environment.query,
    settings,
    addressHashKey,
    wasStill: async () => (await environment.bookmark()) === before,
  };
}

/**
 * Opens an environment for a backup. The key of the address hash comes from `ADDRESS_HASH_KEY` or from the app.
 *
 * @param options.url - address of the app; null: its `PUBLIC_URL`
 */
export async function openRemoteSource(options: {
  env: string | null;
  url: string | null;
}): Promise<BackupSource & { close(): void }> {
  const environment = await CloudflareEnvironment.open(await signIn(), options.env);
  const given = process.env['ADDRESS_HASH_KEY'] ?? '';
  const url = options.url ?? (await environment.settings()).vars['PUBLIC_URL'] ?? '';
  if (given === '' && url === '') {
    throw new UserError('Give the address of the app with --url: it has the key of the address hash.');
  }
  const key = given === '' ? await fetchAddressHashKey(appAt(url)) : given;
  return { ...(await remoteSource(environment, key)), close: () => undefined };
}
