/**
 * The runbooks of docs/OPERATIONS.md, as a test reads them: for each alert what the page says of it, and its steps.
 *
 * @module
 */

/** A call of the app, or a command in a shell. */
export type RunbookStep =
  { kind: 'http'; method: string; path: string; body: string | null } | { kind: 'sh'; command: string };

export interface Runbook {
  alertId: string;
  /** The first paragraph: title, severity, rule and meaning. */
  summary: string;
  steps: RunbookStep[];
  /** Something has to happen that nobody here can do. */
  isOutside: boolean;
}

/** The runbooks of a page, in order. */
export function readRunbooks(page: string): Runbook[] {
  const [, section = ''] = /<!-- alerts -->\n([\s\S]*?)<!-- \/alerts -->/.exec(page) ?? [];
  return section
    .split(/^#### /m)
    .slice(1)
    .map((text) => {
      const [alertId = '', ...rest] = text.split('\n');
      const body = rest.join('\n');
      const fences = [...body.matchAll(/^```(http|sh)\n([\s\S]*?)\n```$/gm)];
      return {
        alertId,
        summary: body.trim().split('\n')[0] ?? '',
        steps: fences.map(([, kind, code = '']) => (kind === 'sh' ? { kind, command: code } : call(code))),
        isOutside: body.includes('*Outside:*'),
      };
    });
}

function call(code: string): RunbookStep {
  const [line = '', ...rest] = code.split('\n');
  const [method = '', path = ''] = line.split(' ');
  const body = rest.join('\n').trim();
  return { kind: 'http', method, path, body: body === '' ? null : body };
}
