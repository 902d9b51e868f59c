/**
 * `/problems` and `/problems/:code`: the pages behind the `type` of a problem.
 *
 * Public: they are the same for everybody and contain no data.
 *
 * @module
 */
import type { Context } from 'hono';
import { html, raw } from 'hono/html';
import { problemCatalog, type ProblemCode } from '../../../shared/problem.ts';
import type { App, AppEnv } from '../../app-env.ts';
import { problemPath, Refusal } from '../../http/problem.ts';
import { problemHelp } from '../../http/problem-help.ts';

/** The page loads and runs nothing; it only has links. */
const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const codes = Object.keys(problemCatalog) as ProblemCode[];

export function problemRoutes(app: App): void {
  app.get('/problems', (c) =>
    page(
      c,
      'Problems',
      html`<ul>
        ${codes.map(
          (code) => html`<li><a href="${problemPath(code)}">${code}</a>: ${problemCatalog[code].title}</li>`,
        )}
      </ul>`,
    ),
  );

  app.get('/problems/:code', (c) => {
    const code = codes.find((known) => problemPath(known) === c.req.path);
    if (code === undefined) throw new Refusal('not_found', 'No problem has this name. /problems lists all.');
    const { status, title } = problemCatalog[code];
    const { happened, todo } = problemHelp[code];
    return page(
      c,
      title,
      html`<p><code>${code}</code>, HTTP status ${status}</p>
        <h2>What happened</h2>
        <p>${happened}</p>
        <h2>What to do</h2>
        <p>${todo}</p>
        <p><a href="/problems">All problems</a></p>`,
    );
  });
}

const style =
  raw(`body { margin: 3rem auto; max-width: 40rem; padding: 0 1.25rem; font: 1.0625rem/1.55 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25 } h2 { font-size: 1.1rem; margin: 1.75rem 0 .25rem } p { margin: .25rem 0 1rem }`);

function page(c: Context<AppEnv>, title: string, content: ReturnType<typeof html>): Promise<Response> {
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${style}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`;
  return Promise.resolve(c.html(document, 200, { 'content-security-policy': pagePolicy }));
}
