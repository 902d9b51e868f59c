/**
 * A backup on disk: a folder that only its owner can read, with a manifest of all files and their hashes.
 *
 * Invariant: a folder with its final name is complete (it is written under another name and renamed), and it has no
 * secret in clear text.
 *
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { UserError } from '../processes.ts';
import { keyCheck, openSeal, seal, type Seal } from './seal.ts';
import { dumpDatabase, readStatements, type Query } from './sql-dump.ts';

const databaseFile = 'database.sql';
const settingsFile = 'settings.json';
const sealFile = 'address-hash-key.json';
const manifestFile = 'manifest.json';

/** Shorter passphrases can be guessed, in spite of the key derivation. */
const minPassphraseLength = 12;

const manifestSchema = z.object({
  format: z.literal(1),
  backupId: z.uuid(),
  createdAt: z.iso.datetime(),
  appVersion: z.string(),
  /** The source in words. */
  source: z.string(),
  /** Names of the applied migrations. */
  migrations: z.array(z.string()),
  /** False when the database was written to while it was read. */
  isSnapshot: z.boolean(),
  rowCounts: z.record(z.string(), z.int().min(0)),
  maxLeadId: z.int().min(0),
  keyCheck: z.string(),
  files: z.record(z.string(), z.object({ sha256: z.string(), bytes: z.int().min(0) })),
});
export type Manifest = z.infer<typeof manifestSchema>;

const sealSchema = z.object({
  kdf: z.object({
    name: z.literal('scrypt'),
    N: z.int(),
    r: z.int(),
    p: z.int(),
    salt: z.string(),
  }),
  cipher: z.literal('aes-256-gcm'),
  nonce: z.string(),
  tag: z.string(),
  sealed: z.string(),
}) satisfies z.ZodType<Seal>;

const settingsSchema = z.object({ vars: z.record(z.string(), z.string()), secrets: z.array(z.string()) });
/** Settings of a Worker: the variables with their values, and the names of the secrets. */
export type Settings = z.infer<typeof settingsSchema>;

/** The source of a backup. */
export interface BackupSource {
  /** For a person. */
  name: string;
  query: Query;
  settings: Settings;
  addressHashKey: string;
  /** Called after the last row: true when nothing was written since the first. */
  wasStill(): Promise<boolean>;
}

/** Refuses a short passphrase. */
export function requirePassphrase(passphrase: string): string {
  if (passphrase.length >= minPassphraseLength) return passphrase;
  throw new UserError(
    `The passphrase must have at least ${String(minPassphraseLength)} characters: it alone protects the key.`,
  );
}

/**
 * Writes a backup.
 *
 * @param folder - must not exist; the folder above it must
 * @throws UserError where the folder is there already
 */
export async function writeBackup(
  source: BackupSource,
  options: {
    folder: string;
    passphrase: string;
    appVersion: string;
    now: () => Date;
    cost?: Parameters<typeof seal>[3];
  },
): Promise<Manifest> {
  const { folder, passphrase, appVersion, now, cost } = options;
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o700 });
  // An existing folder above keeps its mode; ours must not depend on the umask.
  await chmod(partial, 0o700);
  try {
    const createdAt = now().toISOString();
    const out = createWriteStream(join(partial, databaseFile), { mode: 0o600 });
    const failed = new Promise<never>((_, reject) => out.once('error', reject));
    const dumped = await Promise.race([
      failed,
      dumpDatabase(source.query, async (text) => {
        if (!out.write(text)) await new Promise<void>((resolve) => out.once('drain', resolve));
      }),
    ]);
    await Promise.race([failed, new Promise<void>((resolve) => out.end(resolve))]);
    const migrations = (await source.query('SELECT name FROM d1_migrations ORDER BY id')).map(([name]) =>
      String(name),
    );
    await writeFile(join(partial, settingsFile), toJson(source.settings), { mode: 0o600 });
    const files: Manifest['files'] = {};
    for (const name of [databaseFile, settingsFile]) files[name] = await fingerprint(join(partial, name));
    const manifest: Manifest = {
      format: 1,
      backupId: randomUUID(),
      createdAt,
      appVersion,
      source: source.name,
      migrations,
      isSnapshot: await source.wasStill(),
      ...dumped,
      keyCheck: keyCheck(source.addressHashKey),
      files,
    };
    const bytes = Buffer.from(toJson(manifest));
    await writeFile(join(partial, manifestFile), bytes, { mode: 0o600 });
    await writeFile(join(partial, sealFile), toJson(seal(source.addressHashKey, passphrase, bytes, cost)), {
      mode: 0o600,
    });
    await renameNew(partial, folder);
    return manifest;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

async function renameNew(from: string, to: string): Promise<void> {
  try {
    // rename never replaces a folder that is not empty.
    await rename(from, to);
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      (error.code === 'ENOTEMPTY' || error.code === 'EEXIST')
    ) {
      throw new UserError(`${to} exists already; choose another folder.`);
    }
    throw error;
  }
}

const toJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

async function fingerprint(file: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(createReadStream(file), async function (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { sha256: hash.digest('hex'), bytes };
}

/** A backup that was checked and opened: complete and unchanged. */
export interface OpenBackup {
  folder: string;
  manifest: Manifest;
  settings: Settings;
  addressHashKey: string;
  /** The statements of the database, in order. */
  statements(): AsyncGenerator<string>;
}

/**
 * Opens a backup. Checks that every file exists with the hash in the manifest, and that the passphrase opens the seal,
 * which is bound to the manifest.
 *
 * @throws UserError with the fault in one line
 */
export async function openBackup(folder: string, passphrase: string): Promise<OpenBackup> {
  const names = new Set(await readdir(folder).catch(() => []));
  for (const name of [manifestFile, sealFile]) {
    if (!names.has(name)) throw new UserError(`${folder} is not a complete backup: ${name} is missing.`);
  }
  const bytes = await readFile(join(folder, manifestFile));
  const manifest = readJson(manifestSchema, bytes, `${folder}/${manifestFile}`);
  for (const name of [databaseFile, settingsFile]) {
    const expected = manifest.files[name];
    const found = names.has(name) ? await fingerprint(join(folder, name)) : null;
    if (expected === undefined || found === null)
      throw new UserError(`${folder} is not a complete backup: ${name} is missing.`);
    if (found.sha256 !== expected.sha256) {
      throw new UserError(`${folder}/${name} was changed: its checksum differs. Nothing was restored.`);
    }
  }
  const sealed = readJson(sealSchema, await readFile(join(folder, sealFile)), `${folder}/${sealFile}`);
  const addressHashKey = openSeal(sealed, passphrase, bytes);
  if (addressHashKey === null) {
    throw new UserError(
      `The passphrase does not open ${folder}: it is the wrong one, or the manifest was changed. Nothing was restored.`,
    );
  }
  return {
    folder,
    manifest,
    settings: readJson(
      settingsSchema,
      await readFile(join(folder, settingsFile)),
      `${folder}/${settingsFile}`,
    ),
    addressHashKey,
    statements: () => readStatements(createReadStream(join(folder, databaseFile), 'utf8')),
  };
}

function readJson<Schema extends z.ZodType>(schema: Schema, bytes: Buffer, name: string): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new UserError(`${name} does not have the form of a backup. Nothing was restored.`);
  }
}
