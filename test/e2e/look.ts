/**
 * Looking at a page as people have it: wide and on a phone, light and dark.
 *
 * @module
 */
import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

/** CSS pixels by which a page is wider than it is shown; more than 0 needs scrolling sideways. */
export const sidewaysPixels = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/**
 * Looks at a page in both widths and themes: nothing may need scrolling sideways. With PICTURES=<folder> it takes
 * pictures, named after what is seen.
 *
 * @param part - what is in the pictures
 */
export async function look(page: Page, name: string, part: Page | Locator = page): Promise<void> {
  const folder = process.env.PICTURES;
  for (const width of [1280, 390]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      expect(await sidewaysPixels(page), `${name} at ${width}`).toBeLessThanOrEqual(0);
      if (folder !== undefined)
        await part.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png` });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}
