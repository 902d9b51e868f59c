/**
 * What the terminal shows: plain lines, JSON lines, and a bar that is drawn over itself where a person looks.
 *
 * @module
 */
import { askOnTerminal } from './prompt.ts';

export interface Terminal {
  /** A person sees it: the output is not piped into something else. */
  isLive: boolean;
  columns: number;
  write(text: string): Promise<void>;
  /** A line beside the output, so that a pipe does not get it. */
  tell(line: string): void;
  /** A question; null where nobody can answer. */
  ask: typeof askOnTerminal | null;
}

export function processTerminal(): Terminal {
  const { stdin, stdout } = process;
  return {
    isLive: stdout.isTTY,
    columns: stdout.isTTY ? stdout.columns : 80,
    write: (text) =>
      new Promise((resolve, reject) => {
        stdout.write(text, (error) => {
          if (error == null) resolve();
          else reject(error);
        });
      }),
    tell: (line) => console.error(line),
    ask: stdin.isTTY ? askOnTerminal : null,
  };
}

const numbers = new Intl.NumberFormat('en');
/** `1,783` */
export const formatCount = (count: number): string => numbers.format(count);
/** `1 lead`, `2 leads` */
export const countOf = (count: number, one: string): string =>
  `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`;

/** `about 4 min`; empty where it is not known. */
export function formatEta(seconds: number | null): string {
  if (seconds === null) return '';
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${minutes} min`;
  return `about ${Math.round(minutes / 60)} h`;
}

/** A bar of `width` characters; it is full only when everything is done. */
export function bar(done: number, total: number, width: number): string {
  const share = total === 0 ? 1 : done / total;
  const filled = done >= total ? width : Math.min(width - 1, Math.floor(share * width));
  return '█'.repeat(filled) + '░'.repeat(width - filled);
}
