/**
 * A real Chromium with its own empty profile, for tests and screenshots.
 *
 * `close` ends it and removes the profile.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, type Page, chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/lib/chromium.ts';

export interface TestBrowser {
  /** All tabs share its storage, as in one person's browser. */
  context: BrowserContext;
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

/** Turns off the requests that a browser makes by itself. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface BrowserOptions {
  width?: number;
  height?: number;
  colorScheme?: 'light' | 'dark';
  /** The browser's language and formats; English ones by default. */
  locale?: string;
  /** Device pixels per CSS pixel. */
  scale?: number;
}

/** Starts a browser with an empty profile. */
export async function launchBrowser(options: BrowserOptions = {}): Promise<TestBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'lead-activation-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: await ensureChromium(() => console.log('Installing Chromium …')),
    headless: true,
    args: flags,
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    colorScheme: options.colorScheme ?? 'light',
    deviceScaleFactor: options.scale ?? 1,
    locale: options.locale ?? 'en-GB',
    timezoneId: 'UTC',
  });
  // Long enough for a busy machine.
  context.setDefaultTimeout(30_000);
  return {
    context,
    newPage: () => context.newPage(),
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
