/**
 * What is wrong with a template, in words and with the line, from the server's answer. Pure.
 *
 * The server passes on what LiquidJS says ("undefined filter: foo, line:1, col:1"); a message that is not known
 * here is shown as it is.
 *
 * @module
 */
import { faultMessages as m } from '../messages/template-editor.ts';

export interface TemplateFault {
  part: 'subject' | 'html' | 'text';
  code: string;
  message: string;
}

export interface DescribedFault {
  part: TemplateFault['part'];
  /** Counted from 1; null where it is about the whole part, or the part has one line. */
  line: number | null;
  text: string;
}

/**
 * @param source - the part as it was sent
 * @param fields - names that a template may print
 */
export function describeFault(
  { part, code, message }: TemplateFault,
  source: string,
  fields: readonly string[],
): DescribedFault {
  const lineOf = (line: number | null): number | null => (source.includes('\n') ? line : null);
  if (code === 'unknown_variable') {
    const name = /“(.+)”/.exec(message)?.[1];
    if (name === undefined) return { part, line: null, text: message };
    const at = positionOf(source, name);
    const line = at === null ? null : source.slice(0, at).split('\n').length;
    return { part, line: lineOf(line), text: m.unknownField(name, nearest(name, fields)) };
  }
  if (code !== 'syntax') return { part, line: null, text: message };
  const [, said = message, line] = /^(.*?), line:(\d+), col:\d+$/.exec(message) ?? [];
  return { part, line: lineOf(line === undefined ? null : Number(line)), text: inWords(said) };
}

function inWords(said: string): string {
  const tag = /^tag "(\w+)" not found$/.exec(said)?.[1];
  if (tag !== undefined) return tag === 'for' || tag === 'tablerow' ? m.noLoops : m.unknownTag(tag);
  const filter = /^undefined filter: (.+)$/.exec(said)?.[1];
  if (filter !== undefined) return m.unknownFilter(filter);
  const output = /^output "(.+)" not closed$/s.exec(said)?.[1];
  if (output !== undefined) return m.outputNotClosed(output.slice(0, 40));
  const open = /^tag (?:"(.+)"|(\{%.+%\})) not closed$/s.exec(said);
  if (open !== null) return m.tagNotClosed((open[1] ?? open[2] ?? '').slice(0, 40));
  if (said.startsWith('invalid value expression: ""')) return m.nothingInside;
  if (said.startsWith('expected "|" before filter')) return m.filterNeedsBar;
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}.`;
}

/** Where an output or a tag uses the name. */
function positionOf(source: string, name: string): number | null {
  for (const match of source.matchAll(/\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}/g)) {
    const inside = match[0].indexOf(name);
    if (inside >= 0) return match.index + inside;
  }
  return null;
}

/** The field that was probably meant; null where none is near. */
export function nearest(name: string, fields: readonly string[]): string | null {
  const wanted = name.toLowerCase();
  const ranked = fields
    .map((field) => ({ field, distance: distance(wanted, field.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.max(1, Math.floor(name.length / 3)) ? best.field : null;
}

/** Edits between two words (Levenshtein), ignoring `_`. */
function distance(one: string, other: string): number {
  const [a, b] = [one.replace(/_/g, ''), other.replace(/_/g, '')];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
