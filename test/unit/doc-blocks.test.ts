/**
 * Every code block of the documentation is executed by a test, or is listed with the reason why not.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { eventTypes } from '../../src/shared/events.ts';
import { blockChecks, blocksOf, readDocBlocks } from '../support/doc-blocks.ts';

const blocks = readDocBlocks();
const commands = blocks.filter(({ language }) => language !== 'text');
const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

describe('a code block', () => {
  test('says in which language it is', () => {
    const languages = new Set(blocks.map(({ language }) => language));
    expect([...languages].sort()).toEqual(['http', 'js', 'json', 'sh', 'sql', 'text', 'yaml']);
  });

  test('is executed by a test, or is listed with a reason; and nothing else is listed', () => {
    expect(commands.map(({ name }) => name).sort()).toEqual(Object.keys(blockChecks).sort());
  });

  test('that is text has no command in it', () => {
    for (const { name, text } of blocks.filter(({ language }) => language === 'text'))
      expect(text, name).not.toMatch(/^\s*(npm|npx|node|curl|cd|\$|SELECT|import) /m);
  });

  test('is executed whole but for lines that are there', () => {
    for (const { name, text } of commands) {
      const check = blockChecks[name];
      const but = check !== undefined && 'by' in check ? check.but : undefined;
      if (but === undefined) continue;
      const lines = text.split('\n');
      expect(
        lines.some((line) => but.lines.test(line)),
        name,
      ).toBe(true);
      expect(
        lines.every((line) => but.lines.test(line)),
        name,
      ).toBe(false);
    }
  });

  test('in JSON is JSON', () => {
    for (const { text } of commands.filter(({ language }) => language === 'json'))
      expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  test('that is a step of a runbook is a request that the description has', () => {
    const { paths } = JSON.parse(read('docs/openapi-released.json')) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const steps = commands.filter(({ name, language }) => name.includes('OPERATIONS') && language === 'http');
    expect(steps.length).toBeGreaterThan(20);
    for (const { name, text } of steps) {
      const [, method = '', path = ''] = /^(\w+) (\S+)$/m.exec(text) ?? [];
      const described = path.replace('{subject}', '[^/]+');
      const operation = Object.entries(paths).find(([known]) =>
        new RegExp(`^${described}$`).test(known),
      )?.[1];
      expect(Object.keys(operation ?? {}), `${name}: ${text}`).toContain(method.toLowerCase());
    }
  });

  test('in a list of a document is read without the indent of the list', () => {
    expect(blocksOf('a.md', '## Do\n\n1. This:\n\n   ```sh\n   if x; then\n     y\n   ```\n')).toEqual([
      { name: 'a.md › Do', language: 'sh', text: 'if x; then\n  y' },
    ]);
  });
});

describe('a command of npm', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const calls = commands
    .filter(({ language }) => language === 'sh')
    .flatMap(({ name, text }) =>
      [...text.matchAll(/\bnpm (?:run )?([a-z:]+)([^#\n]*)/g)].map(([, script = '', rest = '']) => ({
        ...{ name, script, rest },
      })),
    )
    .filter(({ script }) => script !== 'ci');

  test('names a script of the project', () => {
    expect(calls.length).toBeGreaterThan(20);
    for (const { name, script } of calls) expect(Object.keys(scripts), name).toContain(script);
  });

  test('gives its script only options that are read there', () => {
    for (const { name, script, rest } of calls) {
      const file = /scripts\/[\w-]+\.ts/.exec(scripts[script] ?? '')?.[0] ?? '';
      const folder = join('scripts/lib', script);
      const own = existing(folder).map((part) => join(folder, part));
      const source = [file, ...own].map(read).join('\n');
      for (const [, option = ''] of rest.matchAll(/ --([a-z][\w-]*)/g))
        expect(source, `${name}: --${option}`).toMatch(new RegExp(`['"]?${option}['"]?: \\{ type`));
    }
  });
});

const existing = (folder: string): string[] => {
  try {
    return readdirSync(join(projectRoot, folder)).filter((name) => name.endsWith('.ts'));
  } catch {
    return [];
  }
};

test('the table of events has every event with its meaning', () => {
  const rows = [...read('docs/API.md').matchAll(/^\| `((?:activation|lead|alert)\.\w+)` \| (.+) \|$/gm)];
  expect(Object.fromEntries(rows.map(([, type, meaning]) => [type, meaning]))).toEqual(
    Object.fromEntries(Object.entries(eventTypes).map(([type, { meaning }]) => [type, meaning])),
  );
});
