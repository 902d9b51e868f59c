#!/usr/bin/env node
/**
 * The command `lead-activation`. `verify` and `redact` are one committed file, which works in every place and needs
 * nothing; the other commands are in a file that `npm run build:packages` makes.
 */
import { existsSync } from 'node:fs';

const isOffline = ['verify', 'redact'].includes(process.argv[2] ?? '');
const main = new URL('./dist/main.mjs', import.meta.url);
if (isOffline) await import('./lead-activation.mjs');
else if (existsSync(main)) await import(main.href);
else {
  console.error('This command is not built yet: npm run build:packages');
  process.exitCode = 2;
}
