/**
 * Results as JSON, as Markdown and as SVG plots. No name of a machine, no date in file names.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Cell, PartResult, Plot, Table } from './part.ts';

const root = join(import.meta.dirname, '../../..');

function cell(value: Cell): string {
  if (value === null) return '';
  return typeof value === 'number' ? value.toLocaleString('en-US', { maximumFractionDigits: 4 }) : value;
}

export function tableText({ title, columns, rows, notes }: Table): string {
  return [
    `### ${title}`,
    '',
    `| ${columns.join(' | ')} |`,
    `|${columns.map((_, index) => (index === 0 ? '---' : '---:')).join('|')}|`,
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
    ...(notes === undefined ? [] : ['', ...notes]),
    '',
  ].join('\n');
}

/** Writes what a part measured: `bench/results/<name>.{json,md}` and `docs/bench-<plot>.svg`. */
export function writeResult(name: string, result: PartResult): string {
  const folder = join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const text = [
    `# ${name}`,
    '',
    `Measured on ${cpus().length} cores shared with everything that takes part (the runtime with its local database, the mail API, the client); ratios within one run mean more than any figure alone.`,
    '',
    ...result.tables.map(tableText),
    ...(result.verdicts.length === 0
      ? []
      : [
          '### Targets',
          '',
          '| target | measured | met |',
          '|---|---|---|',
          ...result.verdicts.map(
            ({ target, measured, isMet }) => `| ${target} | ${measured} | ${isMet ? 'yes' : '**no**'} |`,
          ),
          '',
        ]),
  ].join('\n');
  const stamp = { part: name, measuredAt: new Date().toISOString().slice(0, 10), coreCount: cpus().length };
  writeFileSync(
    join(folder, `${name}.json`),
    `${JSON.stringify({ ...stamp, verdicts: result.verdicts, figures: result.figures }, null, 2)}\n`,
  );
  writeFileSync(join(folder, `${name}.md`), text);
  for (const plot of result.plots ?? [])
    writeFileSync(join(root, 'docs', `bench-${plot.name}.svg`), plotSvg(plot));
  return text;
}

const colours = ['#3d55c4', '#c2571a', '#2b8a3e', '#7048a8', '#5b6577'];
const size = { width: 720, height: 400, left: 76, right: 170, top: 44, bottom: 56 };

/** Round numbers that cover the values, five or so. */
function ticks(low: number, high: number): number[] {
  const raw = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? raw;
  const list: number[] = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) list.push(at);
  return list;
}

const short = (value: number): string => {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
};

/** A plot of lines and points; readable on light and on dark pages. */
export function plotSvg({ title, xLabel, yLabel, isXLog, series }: Plot): string {
  const points = series.flatMap((line) => line.points);
  const toX = isXLog ? Math.log10 : Number;
  const xs = points.map(([x]) => toX(x));
  const [xLow, xHigh] = [Math.min(...xs), Math.max(...xs)];
  const yHigh = Math.max(...points.map(([, y]) => y)) * 1.08 || 1;
  const { width, height, left, right, top, bottom } = size;
  const px = (x: number): number => left + ((toX(x) - xLow) / (xHigh - xLow || 1)) * (width - left - right);
  const py = (y: number): number => height - bottom - (y / yHigh) * (height - top - bottom);
  const xTicks = isXLog ? [...new Set(points.map(([x]) => x))] : ticks(xLow, xHigh);
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${title}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="24" font-size="15" font-weight="600" fill="#141a26">${title}</text>`,
  ];
  for (const y of ticks(0, yHigh)) {
    out.push(
      `<line x1="${left}" x2="${width - right}" y1="${py(y).toFixed(1)}" y2="${py(y).toFixed(1)}" stroke="#e2e7f0"/>`,
      `<text x="${left - 8}" y="${(py(y) + 4).toFixed(1)}" text-anchor="end" fill="#5b6577">${short(y)}</text>`,
    );
  }
  for (const x of xTicks) {
    out.push(
      `<text x="${px(x).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle" fill="#5b6577">${short(x)}</text>`,
    );
  }
  out.push(
    `<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle" fill="#27303f">${xLabel}</text>`,
    `<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle" fill="#27303f">${yLabel}</text>`,
  );
  series.forEach(({ name, points: line }, index) => {
    const colour = colours[index % colours.length] ?? '#000';
    const path = line.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ');
    out.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [x, y] of line)
      out.push(`<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="3.5" fill="${colour}"/>`);
    const at = top + 8 + index * 20;
    out.push(
      `<rect x="${width - right + 14}" y="${at - 9}" width="12" height="12" rx="2" fill="${colour}"/>`,
      `<text x="${width - right + 32}" y="${at + 1}" fill="#27303f">${name}</text>`,
    );
  });
  return `${out.join('\n')}\n</svg>\n`;
}
