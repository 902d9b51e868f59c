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
import { defineConfig, type Plugin } from 'vite';

/** What the Worker answers itself; `vite dev` passes these on to `wrangler dev`. */
const workerPaths = ['/crm', '/webhooks', '/unsubscribe', '/openapi.json', '/docs', '/problems', '/healthz'];
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

export default defineConfig({
  plugins: [
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
