/**
 * An environment on a Cloudflare account as the source of a backup.
 *
 * Keeps true: nothing is written there; whether the database stood still while it was read is known, by its Time
 * Travel bookmark before and after.
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
 * Opens an environment for a backup. The key of the address hash is `ADDRESS_HASH_KEY`, or is asked of the app.
 *
 * @param options.url - address of the app; its `PUBLIC_URL` where left out
 */
export async function openRemoteSource(options: {
  env: string | null;
  url: string | null;
}): Promise<BackupSource & { close(): void }> {
  const environment = await CloudflareEnvironment.open(await signIn(), options.env);
  const given = process.env['ADDRESS_HASH_KEY'] ?? '';
  const url = options.url ?? (await environment.settings()).vars['PUBLIC_URL'] ?? '';
  if (given === '' && url === '') {
    throw new UserError('Say where the app is, with --url: the key of the address hash is asked of it.');
  }
  const key = given === '' ? await fetchAddressHashKey(appAt(url)) : given;
  return { ...(await remoteSource(environment, key)), close: () => undefined };
}
