/**
 * After `npm run build:web`: puts Swagger UI beside the built app, for the Worker's `/docs`, so that the page needs no
 * other host and its policy no inline script. The page's own style and script are in web/static/docs-assets. And the
 * verifier of receipts, so that whoever has a receipt can get it from the app.
 *
 * @module
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './lib/local-state.ts';

const folder = join(projectRoot, 'web/build/docs-assets');
const source = join(projectRoot, 'node_modules/swagger-ui-dist');

mkdirSync(folder, { recursive: true });
for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js'])
  copyFileSync(join(source, name), join(folder, name));
copyFileSync(
  join(projectRoot, 'packages/cli/lead-activation.mjs'),
  join(projectRoot, 'web/build/lead-activation.mjs'),
);
