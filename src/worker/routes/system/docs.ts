/**
 * `/openapi.json` and `/docs`: the description of the API, made from the schemas that the routes validate with, and a
 * page that shows it. The page's script and style are static assets of the same origin, so it works offline and under
 * a strict Content-Security-Policy.
 *
 * @module
 */
import type { App } from '../../app-env.ts';

const info = {
  openapi: '3.1.0',
  info: {
    title: 'Lead Activation',
    version: '1.0.0',
    description:
      'Bulk lead activation: each chosen lead is set active in the CRM and gets one activation e-mail. ' +
      'Times are epoch milliseconds. Refusals are RFC 9457 problem details with a stable `code`.',
  },
} as const;

/** Swagger UI sets styles from its script, and its style sheet has images as data URLs. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lead Activation API</title>
<link rel="stylesheet" href="/docs-assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs-assets/swagger-ui-bundle.js"></script>
<script src="/docs-assets/start.js"></script>
</body>
</html>
`;

export function docsRoutes(app: App): void {
  app.doc31('/openapi.json', info);
  app.get('/docs', (c) => c.html(page, 200, { 'content-security-policy': pagePolicy }));
}
