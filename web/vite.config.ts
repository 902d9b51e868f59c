/**
 * The web app's build: SvelteKit as a single-page app. Every page is the same static shell
 * (`build/index.html`) that the Worker serves as its asset fallback; nothing renders on a server.
 *
 * The policy below is written into the shell as a `<meta>` with the hash of Kit's one inline script, so
 * that a policy in a response header never has to know that hash. It holds no `unsafe-inline` for scripts.
 *
 * @module
 */
import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig, type Plugin, type Rolldown } from 'vite';

/** What the Worker answers itself; `vite dev` passes these on to `wrangler dev`. */
const workerPaths = [
  '/crm',
  '/webhooks',
  '/unsubscribe',
  '/openapi.json',
  '/docs',
  '/problems',
  '/healthz',
  '/.well-known/lead-activation-receipt-keys.json',
];
const workerOrigin = process.env['WORKER_ORIGIN'] ?? 'http://127.0.0.1:8787';

/**
 * Writes the names of all scripts and styles of the app into `_app/files.json`: the shell fetches them into the
 * browser's cache once a page is at rest, so that parts loaded on demand are there offline too.
 */
const listFiles: Plugin = {
  name: 'list-files',
  applyToEnvironment: ({ name }) => name === 'client',
  generateBundle(_, bundle) {
    const files = Object.keys(bundle)
      .filter((file) => file.includes('/immutable/') && /\.(?:js|css|woff2)$/.test(file))
      .map((file) => `/${file}`);
    this.emitFile({ type: 'asset', fileName: '_app/files.json', source: JSON.stringify(files) });
  },
};

/** Where Kit begins on every page: its client, the layout and the page for errors. Kit wants them in files of their own. */
const kitEntry = /\/kit\/src\/runtime\/client\/client-entry\.js$|\/client-optimized\/nodes\/[01]\.js$/;
/** Small parts that most pages use, but not the layout. */
const ofMostPages = /\/src\/lib\/(?:ui\/(?:chip|refusal-box)\.svelte|api\/paged-list\.svelte\.ts)$/;
/** What runs before Kit's client: Kit writes the page's payload into a module that the client reads as it starts. */
const beforeShell = /\/kit\/src\/runtime\/client\/payload\.js$|vite\/preload-helper/;
/** What the leads page shares with its dialogs and menus, which load on demand. */
const ofLeads =
  /\/src\/lib\/(?:leads\/(?:view|columns|unmailable)|messages\/(?:leads|views))\.(?:ts|svelte)$/;

/**
 * Puts all that every page imports into one file. Left alone, the bundler makes about fifty files of it, most of
 * them below 1 kB; compressed one by one they are an eighth larger than together.
 */
const fewFiles: Plugin = {
  name: 'few-files',
  configEnvironment(name) {
    if (name !== 'client') return undefined;
    let shell: ReadonlySet<string> | null = null;
    const groups: Rolldown.CodeSplittingGroup[] = [
      { name: 'before-shell', test: beforeShell, priority: 1 },
      {
        name(id, context) {
          shell ??= findShell(id, context);
          return shell.has(id) && !kitEntry.test(id) ? 'shell' : null;
        },
        debugName: 'shell',
      },
      { name: 'leads', test: ofLeads },
    ];
    return { build: { rolldownOptions: { output: { codeSplitting: { groups } } } } };
  },
};

/** All modules that the shell imports, directly or not; found from any module of the program. */
function findShell(anyId: string, context: Rolldown.ChunkingContext): ReadonlySet<string> {
  const all = new Set([anyId]);
  for (const id of all) {
    const info = context.getModuleInfo(id);
    if (info === null) continue;
    const { importers, dynamicImporters, importedIds, dynamicallyImportedIds } = info;
    for (const list of [importers, dynamicImporters, importedIds, dynamicallyImportedIds])
      for (const next of list) all.add(next);
  }
  const shell = new Set([...all].filter((id) => kitEntry.test(id) || ofMostPages.test(id)));
  for (const id of shell) for (const next of context.getModuleInfo(id)?.importedIds ?? []) shell.add(next);
  return shell;
}

export default defineConfig({
  plugins: [
    fewFiles,
    listFiles,
    tailwindcss(),
    sveltekit({
      compilerOptions: { runes: true },
      adapter: adapter({ pages: 'build', assets: 'build', fallback: 'index.html' }),
      csp: {
        mode: 'hash',
        directives: {
          'default-src': ['self'],
          'script-src': ['self'],
          // Components set widths through the DOM; mails in the preview frame bring their own styles,
          // and a `srcdoc` frame inherits this policy.
          'style-src': ['self', 'unsafe-inline'],
          'img-src': ['self', 'data:', 'https:'],
          'connect-src': ['self'],
          'object-src': ['none'],
          'base-uri': ['none'],
          'form-action': ['self'],
        },
      },
      // A shell of an older deploy asks for files that are gone; Kit then reloads on the next navigation.
      version: { pollInterval: 0 },
    }),
  ],
  build: { target: 'es2023' },
  // Modules, so that the worker that reads files loads the workbook reader only for a workbook.
  worker: { format: 'es' },
  server: {
    proxy: Object.fromEntries(
      workerPaths.map((path) => [path, { target: workerOrigin, changeOrigin: true }]),
    ),
    // src/shared lies beside this folder.
    fs: { allow: ['..'] },
  },
});
