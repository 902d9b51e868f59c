/**
 * `/openapi.json` and `/docs`: the description of the API, made from the schemas that the routes validate with, and a
 * page that shows it. The page's script and style are static assets of the same origin, so it works offline and under
 * a strict Content-Security-Policy.
 *
 * @module
 */
import type { App } from '../../app-env.ts';
import type { ApiDescription } from '../../http/api-description.ts';
import { describeApi } from '../../http/describe.ts';

/** Swagger UI sets styles from its script, and its style sheet has images as data URLs. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API · Lead Activation</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs-assets/swagger-ui.css">
<link rel="stylesheet" href="/docs-assets/page.css">
<script src="/theme.js"></script>
</head>
<body>
<header class="bar">
<a class="home" href="/">Lead Activation</a>
<nav aria-label="API">
<a href="/problems">Problem codes</a>
<a href="/openapi.json">openapi.json</a>
</nav>
</header>
<div id="swagger-ui"></div>
<script src="/docs-assets/swagger-ui-bundle.js"></script>
<script src="/docs-assets/start.js"></script>
</body>
</html>
`;

export function docsRoutes(app: App): void {
  // It takes some milliseconds to make, and stays the same.
  let description: ApiDescription | null = null;
  app.get('/openapi.json', (c) => c.json((description ??= describeApi(app))));
  app.get('/docs', (c) => c.html(page, 200, { 'content-security-policy': pagePolicy }));
}
