/**
 * The packages as their users have them: packed as they would be published, and installed into an empty project.
 *
 * @module
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from '../../scripts/lib/processes.ts';
import { productVersion } from '../../src/shared/version.ts';

export interface PackageUser {
  /** The project that has the packages. */
  readonly folder: string;
  remove(): Promise<void>;
}

/** Packs the packages, which builds them, and installs them. */
export async function installPackages(): Promise<PackageUser> {
  const folder = await mkdtemp(join(tmpdir(), 'lead-activation-packages-'));
  const must = async (file: string, ...args: string[]): Promise<void> => {
    const { code, output } = await runToEnd(file, args);
    if (code !== 0) throw new Error(`${file} ${args.join(' ')}:\n${output}`);
  };
  const names = { client: 'lead-activation-client', cli: 'lead-activation', mcp: 'lead-activation-mcp' };
  await must(
    'npm',
    ...['pack', '--pack-destination', folder, '--json'],
    ...Object.keys(names).flatMap((name) => ['--workspace', `packages/${name}`]),
  );
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await must(
    'npm',
    ...['install', '--prefix', folder, '--prefer-offline', '--no-audit', '--no-fund'],
    ...Object.values(names).map((name) => join(folder, `${name}-${productVersion}.tgz`)),
  );
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
