import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

interface Lock {
  packages: Record<string, { hasInstallScript?: true; resolved?: string }>;
}

describe('installing the packages', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;

  it('runs only package scripts that fetch or check a program for this machine', () => {
    const scripted = Object.entries(packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    const known = ['esbuild', 'fsevents', 'node', 'workerd'];
    expect([...new Set(scripted)].filter((name) => !known.includes(name))).toEqual([]);
  });

  it('replaces the package that reports installs by an empty one', () => {
    const reporting = Object.entries(packages).filter(([path]) => path.endsWith('@scarf/scarf'));
    expect(reporting.map(([, { resolved }]) => resolved)).toEqual(['scripts/no-telemetry']);
  });
});
