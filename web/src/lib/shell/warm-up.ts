/**
 * Fetches the code of all pages, and of the parts that are loaded on demand, once the first page is at rest:
 * who goes offline can still open every page and dialog. Data is not fetched.
 *
 * A page's code is imported, so that it stays in memory. The other files only go into the browser's cache,
 * where they stay valid for good because their names carry a hash.
 *
 * @module
 */
import { preloadCode } from '$app/navigation';
import type { RouteId } from '$app/types';

/** All pages that a person can go to by a link. */
const routes: readonly RouteId[] = [
  '/leads',
  '/leads/[id]',
  '/activations',
  '/activations/[sessionId]',
  '/imports',
  '/imports/[importId]',
  '/templates',
  '/templates/[templateId]',
  '/suppressions',
  '/audit',
  '/settings',
  '/start',
  '/inbox',
];

/** Fetches everything, a file at a time and only while the page is idle. Returns how to call it off. */
export function warmUp(): () => void {
  let isOff = false;
  async function fetchAll(): Promise<void> {
    for (const route of routes) {
      if (isOff) return;
      await preloadCode(route).catch(() => undefined);
    }
    // Written by the build (vite.config.ts); not there in development.
    const files: unknown = await fetch('/_app/files.json')
      .then((response) => response.json())
      .catch(() => null);
    if (!Array.isArray(files)) return;
    for (const file of files) {
      if (isOff) return;
      await fetch(String(file), { priority: 'low' }).catch(() => undefined);
    }
  }
  // Safari has no idle callback.
  if ('requestIdleCallback' in window) requestIdleCallback(() => void fetchAll(), { timeout: 5_000 });
  else void fetchAll();
  return () => {
    isOff = true;
  };
}
