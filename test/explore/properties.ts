/**
 * What holds on every page of the app after any sequence of actions. Each property is asked of a page as a
 * person sees it; none knows which actions came before.
 *
 * @module
 */
import type { Page } from 'playwright-core';

export type PropertyName =
  | 'heading'
  | 'no raw values'
  | 'no console errors'
  | 'no dead end'
  | 'numbers never fall'
  | 'no accidental send';

export interface Violation {
  property: PropertyName;
  detail: string;
  url: string;
}

/** Long enough for a page to come to rest on a machine that builds something else at the same time. */
const maxRestMs = 8_000;

/** The highest numbers that a page has shown, by activation. A new page load starts anew. */
export type Shown = Map<string, number>;

interface Looked {
  hasHeading: boolean;
  rawValue: string | null;
  exitCount: number;
  done: [sessionId: string, done: number][];
}

/** Runs in the page. */
function look(): Looked {
  const isVisible = (element: Element): boolean =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: false });
  const raw = /\bundefined\b|\bNaN\b|\[object /.exec(document.body.innerText);
  return {
    hasHeading: [...document.querySelectorAll('h1')].some(isVisible),
    rawValue:
      raw === null ? null : document.body.innerText.slice(Math.max(0, raw.index - 30), raw.index + 30),
    exitCount: [...document.querySelectorAll('a[href], button:not(:disabled)')].filter(isVisible).length,
    done: [...document.querySelectorAll('[data-session-id]')].flatMap((element) => {
      const bar = element.querySelector('[role="progressbar"]');
      const id = element.getAttribute('data-session-id');
      return bar === null || id === null
        ? []
        : [[id, Number(bar.getAttribute('aria-valuenow'))] as [string, number]];
    }),
  };
}

/** What is wrong with the page as it is; waits for what a page that still loads does not have yet. */
export async function faultsOf(page: Page, shown: Shown): Promise<Violation[]> {
  const url = new URL(page.url()).pathname;
  const found = (property: PropertyName, detail: string): Violation => ({ property, detail, url });
  const deadline = performance.now() + maxRestMs;
  let looked = await page.evaluate(look);
  while ((!looked.hasHeading || looked.exitCount === 0) && performance.now() < deadline) {
    await page.waitForTimeout(100);
    looked = await page.evaluate(look);
  }
  const faults: Violation[] = [];
  if (!looked.hasHeading) faults.push(found('heading', 'no h1 is shown'));
  if (looked.exitCount === 0) faults.push(found('no dead end', 'nothing can be clicked'));
  if (looked.rawValue !== null) faults.push(found('no raw values', looked.rawValue));
  for (const [sessionId, done] of looked.done) {
    const before = shown.get(sessionId) ?? 0;
    if (done < before) {
      faults.push(found('numbers never fall', `${sessionId}: ${String(before)}, then ${String(done)}`));
    }
    shown.set(sessionId, Math.max(before, done));
  }
  return faults;
}
