/**
 * `npm run build:mail`: makes src/mail/templates/frame-html.ts from src/mail/templates/frame.mjml. With `--check` it
 * writes nothing and fails when the file is not what it would write; `npm run check` runs it so.
 *
 * The result is committed like a lock file: everything that reads the Worker's sources (type check, tests, bundler,
 * deploy) finds it without an earlier step.
 *
 * @module
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mjml from 'mjml';
import { projectRoot } from './lib/local-state.ts';

const source = join(projectRoot, 'src/mail/templates/frame.mjml');
const result = join(projectRoot, 'src/mail/templates/frame-html.ts');

/** MJML indents for itself and breaks lines inside tags; what is left is a line for each tag, without indent. */
function tidy(html: string): string {
  const tags = html.replace(/<[a-z][^<>]*>/gi, (tag) => tag.replace(/\s+/g, ' ').replace(/ >$/, '>'));
  return `${tags.replace(/[ \t]*\n\s*/g, '\n').trim()}\n`;
}

async function compile(): Promise<string> {
  // No fonts: by default the mention of Roboto alone would have every mail ask Google for it.
  const { html } = await mjml(readFileSync(source, 'utf8'), { validationLevel: 'strict', fonts: {} });
  const text = tidy(html);
  if (/[`\\]|\$\{/.test(text)) throw new Error('The frame has characters that a template literal reads.');
  return `/**
 * The mails' HTML frame with its placeholders. Made from frame.mjml by \`npm run build:mail\`; change it there.
 *
 * @module
 */
export const frameHtml = \`${text}\`;
`;
}

const compiled = await compile();
if (process.argv.includes('--check')) {
  if (readFileSync(result, 'utf8') !== compiled) {
    console.error('src/mail/templates/frame-html.ts is not what frame.mjml makes: npm run build:mail');
    process.exitCode = 1;
  }
} else {
  writeFileSync(result, compiled);
}
