/** Bytes of script that a browser loads, in the built app. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';

const build = join(import.meta.dirname, '../../web/build');
const gzipBytes = (names: readonly string[]): number =>
  names.reduce((sum, name) => sum + gzipSync(readFileSync(join(build, name))).length, 0);

it('the page itself names at most 60 kB of script, gzip', () => {
  const html = readFileSync(join(build, 'index.html'), 'utf8');
  const names = [...html.matchAll(/[^"'()]*_app\/[^"'()]+\.js/g)].map(([path]) => path.replace(/^\/+/, ''));
  expect(names.length).toBeGreaterThan(0);
  expect(gzipBytes([...new Set(names)])).toBeLessThanOrEqual(60_000);
});

// Times, manifest and receipt of an activation are 7 kB, approvals and taking back 13 kB, waves 5 kB, the fields of a CRM
// 2 kB, a form that keeps what is typed beside what colleagues change 1 kB; no first page loads them.
it('all pages together have at most 379 kB of script, gzip', () => {
  const names = readdirSync(join(build, '_app'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => join('_app', name));
  expect(names.length).toBeGreaterThan(0);
  expect(gzipBytes(names)).toBeLessThanOrEqual(379_000);
});
