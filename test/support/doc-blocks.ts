/**
 * The fenced code blocks of the documentation, and the one place that says how each of them is checked.
 *
 * Invariant: a block is executed by a test, or the reason why not is here by its name. `unit/doc-blocks` fails where a
 * block is in neither class, or an entry has no block any more.
 *
 * @module
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../scripts/lib/local-state.ts';

export interface DocBlock {
  /** File, heading above it, and its number where the heading has several: `docs/API.md › Sign in`. */
  name: string;
  language: string;
  text: string;
}

/** Why a command is not executed. */
const reasons = {
  account: 'needs a Cloudflare account',
  tests: 'runs the tests or checks that this is a part of',
  machine: 'measures for minutes, on a machine that does nothing else',
  install: 'replaces the packages that the tests run with',
  debugger: 'is the configuration of an editor',
  elsewhere: 'is for a program that is not ours',
} as const;

type Reason = (typeof reasons)[keyof typeof reasons];

/** A block is executed as a whole, but for the lines that match `but`; or not at all. */
type BlockCheck =
  | {
      /** The test that executes it. It asks for the block by its name, so that it cannot be skipped there. */
      by: 'e2e/docs' | 'e2e/packages' | 'unit/event-logs' | 'workerd/game-day';
      but?: { lines: RegExp; reason: Reason };
    }
  | { reason: Reason };

const docs = { by: 'e2e/docs' } as const;
const gameDay = { by: 'workerd/game-day' } as const;
const packages = { by: 'e2e/packages' } as const;
const remote = { lines: /--remote|--env /, reason: reasons.account } as const;

/** Every block but drawings and formulas (`text`). */
export const blockChecks: Readonly<Record<string, BlockCheck>> = {
  'README.md › Lead Activation': { ...docs, but: { lines: /^npm test/, reason: reasons.tests } },
  'README.md › Deploy it to your account': { reason: reasons.account },
  'README.md › Deploy it to your account (2)': { reason: reasons.account },
  'README.md › Working on it': { ...docs, but: { lines: /^npm run (check|test)/, reason: reasons.tests } },
  'CONTRIBUTING.md › The inner loop': {
    ...docs,
    but: { lines: /^npm (run (check|test)|test)/, reason: reasons.tests },
  },
  'docs/API.md › Sign in': docs,
  'docs/API.md › Start an activation and follow it': docs,
  'docs/API.md › Start an activation and follow it (2)': docs,
  'docs/API.md › Change a lead that somebody else may change': docs,
  'docs/API.md › Keep leads as another system has them': docs,
  'docs/API.md › Many at once': docs,
  'docs/API.md › Many at once (2)': docs,
  'docs/API.md › Tags and lists': docs,
  'docs/API.md › Read what has changed': docs,
  'docs/API.md › Read what has changed (2)': docs,
  'docs/API.md › Events': docs,
  'docs/API.md › Events (2)': docs,
  'docs/CRM.md › Any CRM over HTTP': { reason: reasons.elsewhere },
  'docs/CRM.md › Any CRM over HTTP (2)': { reason: reasons.elsewhere },
  'docs/CRM.md › Any CRM over HTTP (3)': { reason: reasons.elsewhere },
  'docs/CRM.md › Any CRM over HTTP (4)': { reason: reasons.elsewhere },
  'docs/CRM.md › Any CRM over HTTP (5)': { reason: reasons.elsewhere },
  'docs/DEBUGGING.md › The log': docs,
  'docs/DEBUGGING.md › A debugger': { reason: reasons.debugger },
  'docs/DEBUGGING.md › What a session has on disk': docs,
  'docs/DEBUGGING.md › What a session has on disk (2)': docs,
  'docs/DEBUGGING.md › What a session has on disk (3)': docs,
  'docs/OPERATIONS.md › Metrics': { reason: reasons.elsewhere },
  'docs/OPERATIONS.md › activation_stalled': { reason: reasons.account },
  'docs/OPERATIONS.md › activation_stalled (2)': gameDay,
  'docs/OPERATIONS.md › mail_unreachable': gameDay,
  'docs/OPERATIONS.md › mail_auth': { reason: reasons.account },
  'docs/OPERATIONS.md › mail_auth (2)': gameDay,
  'docs/OPERATIONS.md › mail_quota': gameDay,
  'docs/OPERATIONS.md › mail_refused': gameDay,
  'docs/OPERATIONS.md › mail_throttled': { reason: reasons.account },
  'docs/OPERATIONS.md › emails_unconfirmed': gameDay,
  'docs/OPERATIONS.md › reports_silent': { reason: reasons.account },
  'docs/OPERATIONS.md › bounce_rate': gameDay,
  'docs/OPERATIONS.md › complaint_rate': gameDay,
  'docs/OPERATIONS.md › crm_unreachable': gameDay,
  'docs/OPERATIONS.md › crm_auth': { reason: reasons.account },
  'docs/OPERATIONS.md › crm_auth (2)': gameDay,
  'docs/OPERATIONS.md › crm_allowance': gameDay,
  'docs/OPERATIONS.md › crm_quota': gameDay,
  'docs/OPERATIONS.md › crm_refused': gameDay,
  'docs/OPERATIONS.md › wave_held': gameDay,
  'docs/OPERATIONS.md › wave_held (2)': gameDay,
  'docs/OPERATIONS.md › daily_cap': { reason: reasons.account },
  'docs/OPERATIONS.md › daily_cap (2)': gameDay,
  'docs/OPERATIONS.md › daily_cap (3)': gameDay,
  'docs/OPERATIONS.md › approval_expires': gameDay,
  'docs/OPERATIONS.md › approval_expires (2)': gameDay,
  'docs/OPERATIONS.md › schedule_missed': gameDay,
  'docs/OPERATIONS.md › schedule_late': gameDay,
  'docs/OPERATIONS.md › alarm_late': gameDay,
  'docs/OPERATIONS.md › alarm_lost': gameDay,
  'docs/OPERATIONS.md › activation_unreached': gameDay,
  'docs/OPERATIONS.md › database_down': gameDay,
  'docs/OPERATIONS.md › sweep_stopped': { reason: reasons.account },
  'docs/OPERATIONS.md › endpoint_failed': gameDay,
  'docs/OPERATIONS.md › settings_faulty': { reason: reasons.account },
  'docs/OPERATIONS.md › sender_dns': gameDay,
  'docs/OPERATIONS.md › import_stuck': gameDay,
  'docs/OPERATIONS.md › restore_open': { reason: reasons.account },
  'docs/OPERATIONS.md › restore_open (2)': gameDay,
  'docs/PERFORMANCE.md › Performance': { reason: reasons.machine },
  'docs/PROOF.md › To compare machines': { by: 'unit/event-logs' },
  'docs/RECEIPT.md › Verify': docs,
  'docs/RECEIPT.md › Erasure': docs,
  'docs/RECOVERY.md › Back up': { ...docs, but: remote },
  'docs/RECOVERY.md › Restore': { ...docs, but: remote },
  'docs/RECOVERY.md › Restore (2)': { ...docs, but: remote },
  'docs/RECOVERY.md › Which recovery for which loss': { reason: reasons.account },
  'packages/cli/README.md › lead-activation': docs,
  'packages/client/README.md › lead-activation-client': packages,
  'packages/mcp/README.md › lead-activation-mcp': docs,
  'web/static/llms.txt › In JavaScript, as an ES module: `npm install lead-activation-client`': packages,
};

/** The Markdown that is read by people and programs outside the project. */
function documents(): string[] {
  const inFolder = (folder: string): string[] =>
    readdirSync(join(projectRoot, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  return [
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'web/static/llms.txt'],
    ...inFolder('docs'),
    ...readdirSync(join(projectRoot, 'packages')).map((name) => `packages/${name}/README.md`),
  ];
}

/** Every fenced block, in the order of the files. */
export function readDocBlocks(): DocBlock[] {
  return documents().flatMap((file) => blocksOf(file, readFileSync(join(projectRoot, file), 'utf8')));
}

/** The blocks of a document (https://spec.commonmark.org/0.31.2/#fenced-code-blocks), also in lists. */
export function blocksOf(file: string, markdown: string): DocBlock[] {
  const blocks: DocBlock[] = [];
  const counts = new Map<string, number>();
  let heading = '';
  let open: { indent: string; language: string; lines: string[] } | null = null;
  for (const line of markdown.split('\n')) {
    const [, indent = '', language = ''] = /^( *)```(.*)$/.exec(line) ?? [];
    const isFence = line.trimStart().startsWith('```');
    if (open === null) {
      heading = /^#+ (.+)$/.exec(line)?.[1] ?? heading;
      if (isFence) open = { indent, language: language.trim(), lines: [] };
    } else if (isFence) {
      const place = `${file} › ${heading}`;
      const count = open.language === 'text' ? 1 : (counts.get(place) ?? 0) + 1;
      if (open.language !== 'text') counts.set(place, count);
      blocks.push({
        name: count === 1 ? place : `${place} (${String(count)})`,
        language: open.language,
        text: open.lines.join('\n'),
      });
      open = null;
    } else {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
    }
  }
  if (open !== null) throw new Error(`${file} has a code block without an end.`);
  return blocks;
}

/** The blocks that one test executes, by name. It takes each of them out. */
export class BlocksToRun {
  readonly #left: Map<string, DocBlock>;

  constructor(by: 'e2e/docs' | 'e2e/packages') {
    const isOurs = ({ name }: DocBlock): boolean => {
      const check = blockChecks[name];
      return check !== undefined && 'by' in check && check.by === by;
    };
    this.#left = new Map(
      readDocBlocks()
        .filter(({ language }) => language !== 'text')
        .filter(isOurs)
        .map((block) => [block.name, block]),
    );
  }

  /** The text of a block, without the lines that cannot be executed. @throws where there is no such block */
  take(name: string): string {
    const block = this.#left.get(name);
    if (block === undefined) throw new Error(`There is no block ${name} to execute here.`);
    this.#left.delete(name);
    const check = blockChecks[name];
    const lines = check !== undefined && 'by' in check ? check.but?.lines : undefined;
    return block.text
      .split('\n')
      .filter((line) => lines?.test(line) !== true)
      .join('\n');
  }

  /** Names of blocks that were not taken yet. */
  get left(): string[] {
    return [...this.#left.keys()];
  }
}

/** Replaces what the reader of a text has to fill in. @throws where the text does not have it */
export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  let filled = text;
  for (const [blank, value] of Object.entries(values)) {
    if (!filled.includes(blank)) throw new Error(`There is no ${blank} in:\n${text}`);
    filled = filled.replaceAll(blank, value);
  }
  return filled;
}
