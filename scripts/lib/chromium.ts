/**
 * Finds a Chromium for the browser tests and screenshots, and installs Debian's package where it may.
 *
 * @module
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { UserError, runToEnd } from './processes.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const macApps = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of a Chromium: `CHROMIUM_PATH`, one of the system, or one that Playwright has downloaded. */
export function findChromium(): string | null {
  const chosen = process.env['CHROMIUM_PATH'];
  if (chosen !== undefined && chosen !== '') {
    if (isExecutable(chosen)) return chosen;
    throw new UserError(`CHROMIUM_PATH names no program: ${chosen}`);
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = [
    ...folders.flatMap((folder) => names.map((name) => join(folder, name))),
    ...macApps,
    chromium.executablePath(),
  ];
  return candidates.find(isExecutable) ?? null;
}

/**
 * Finds a Chromium, or installs the system's package first.
 *
 * @throws UserError saying what to do where neither is possible
 */
export async function ensureChromium(onInstall: () => void): Promise<string> {
  const found = findChromium();
  if (found !== null) return found;
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (mayInstall) {
    onInstall();
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const update = await runToEnd('apt-get', ['update'], env);
    const install = await runToEnd('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], env);
    const installed = findChromium();
    if (installed !== null) return installed;
    console.error(`${update.output}${install.output}`.trimEnd());
  }
  throw new UserError(
    'The browser tests need Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM_PATH.',
  );
}
