/**
 * Builds the web app once, before browser tests in several processes start the product.
 *
 * @module
 */
import { buildWebIfChanged } from '../../scripts/lib/web-build.ts';

export default async function setup(): Promise<void> {
  await buildWebIfChanged();
}
