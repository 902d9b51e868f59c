/**
 * The colours of app.css against WCAG 2.2: 4.5:1 for text (1.4.3), 3:1 for what is drawn (1.4.11).
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const css = readFileSync(join(resolve(import.meta.dirname, '../..'), 'web/src/app.css'), 'utf8');

/** The custom properties of one block that are colours. */
function colorsOf(selector: string): ReadonlyMap<string, string> {
  const block = css.slice(css.indexOf(`${selector} {`)).split('}')[0] ?? '';
  return new Map(
    [...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value]),
  );
}

/** https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

const grounds = ['canvas', 'surface', 'raised'];
const text: [string, string[]][] = [
  ['ink', [...grounds, 'sunken', 'accent-soft']],
  ['ink-soft', [...grounds, 'sunken']],
  ['ink-faint', [...grounds, 'sunken']],
  ['accent', grounds],
  ['accent-strong', [...grounds, 'accent-soft']],
  ['accent-ink', ['accent', 'accent-strong']],
  ['good', [...grounds, 'good-soft']],
  ['warn', [...grounds, 'warn-soft']],
  ['bad', [...grounds, 'bad-soft']],
];
const drawn: [string, string[]][] = [
  ['line-strong', ['canvas', 'surface']],
  ['layer-sent', ['layer-rest', 'surface']],
  ['layer-delivered', ['layer-rest', 'surface']],
  ['layer-failed', ['layer-rest', 'surface']],
];

describe.each([':root', "[data-theme='dark']"])('the colours of %s', (selector) => {
  const colors = colorsOf(selector);
  const pairs = (list: [string, string[]][]): [string, string][] =>
    list.flatMap(([front, backs]) => backs.map((back): [string, string] => [front, back]));
  const of = (name: string): string => {
    const color = colors.get(name);
    if (color === undefined) throw new Error(`No colour --${name} in ${selector}.`);
    return color;
  };

  it.each(pairs(text))('%s on %s can be read', (front, back) => {
    expect(contrast(of(front), of(back))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(pairs(drawn))('%s on %s can be seen', (front, back) => {
    expect(contrast(of(front), of(back))).toBeGreaterThanOrEqual(3);
  });
});
