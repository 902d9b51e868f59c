/**
 * Puts a staged database into a state folder.
 *
 * Invariant: a process that is killed at any time leaves the old state, the complete restore, or a state folder that
 * refuses to start and says that the restore must be repeated.
 *
 * @module
 */
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { UserError } from '../processes.ts';
import { prepareState, unfinishedRestoreFile } from '../stack.ts';
import { databaseFileOf } from './local-database.ts';

export interface LocalTarget {
  stateDir: string;
  /** True when the database of a state folder that is not empty may be replaced. */
  intoExisting: boolean;
}

function isEmpty(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

/** @throws UserError when the state folder is not empty and may not be replaced */
export function requireLocalTarget({ stateDir, intoExisting }: LocalTarget): void {
  if (isEmpty(stateDir) || intoExisting) return;
  const wasBrokenOff = existsSync(join(stateDir, unfinishedRestoreFile));
  throw new UserError(
    wasBrokenOff
      ? `A restore into ${stateDir} was broken off. Run it again with --into-existing.`
      : `${stateDir} is not empty. Name another folder with --state-dir, or replace its database with --into-existing.`,
  );
}

/**
 * Creates the folder for the staged database: beside the state folder, on the same file system. It removes the rest of
 * an earlier restore that was killed.
 */
export async function makeWorkFolder(stateDir: string): Promise<string> {
  const folder = join(dirname(stateDir), `.${basename(stateDir)}.restoring`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Puts the staged database and its key in place, and applies the migrations.
 *
 * @param onStep - called with each step
 */
export async function placeLocally(
  target: LocalTarget,
  staged: { file: string; workFolder: string; addressHashKey: string },
  onStep: (words: string) => void,
): Promise<void> {
  const { stateDir } = target;
  if (isEmpty(stateDir)) {
    const built = join(staged.workFolder, 'state');
    // It has all addresses and the key.
    await mkdir(built, { mode: 0o700 });
    await prepareState(built, onStep);
    await replaceDatabase(built, staged.file);
    await writeKey(built, staged.addressHashKey);
    await upgrade(built, onStep);
    onStep('Putting it in place');
    // An empty or missing folder is replaced in one atomic step.
    await rename(built, stateDir);
    return;
  }
  // Refuses while the app uses the folder.
  await prepareState(stateDir, onStep, { duringRestore: true });
  await writeFile(join(stateDir, unfinishedRestoreFile), '');
  onStep('Replacing the database');
  await replaceDatabase(stateDir, staged.file);
  await writeKey(stateDir, staged.addressHashKey);
  await upgrade(stateDir, onStep);
  await rm(join(stateDir, unfinishedRestoreFile));
}

/** Replaces the file that wrangler created. Wrangler creates it first, because only wrangler knows its name. */
async function replaceDatabase(stateDir: string, staged: string): Promise<void> {
  const file = databaseFileOf(stateDir);
  const old = new DatabaseSync(file);
  // SQLite would apply an old write-ahead log to the new file.
  old.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  old.close();
  for (const suffix of ['-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
  const next = `${file}.next`;
  await copyFile(staged, next);
  await rename(next, file);
}

async function writeKey(stateDir: string, key: string): Promise<void> {
  const file = join(stateDir, 'address-hash-key');
  const next = `${file}.next`;
  await rm(next, { force: true });
  await writeFile(next, key, { mode: 0o600 });
  await rename(next, file);
}

/** Applies the migrations: the backup may be of an earlier version. */
async function upgrade(stateDir: string, onStep: (words: string) => void): Promise<void> {
  await rm(join(stateDir, 'migrated'), { force: true });
  // Otherwise a start would add sample leads, as in a new folder.
  await writeFile(join(stateDir, 'seeded'), '');
  await prepareState(stateDir, onStep, { duringRestore: true });
}
