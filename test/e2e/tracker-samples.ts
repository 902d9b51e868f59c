/**
 * What a page's tracker showed, ten times a second and at every change, as a person would see it.
 *
 * @module
 */
import type { Page } from 'playwright-core';

/** What one look at one activation in the tracker showed. */
export interface Sample {
  sessionId: string;
  /** Milliseconds since the page's time origin, plus that origin: one clock for all tabs. */
  at: number;
  rev: number;
  state: string;
  link: string;
  processed: number;
  total: number;
  activated: number;
  sent: number;
  activationBar: number;
  emailBar: number;
}

/** The counts of a sample: none of them may ever fall. */
export const counts = ['processed', 'activated', 'sent', 'activationBar', 'emailBar'] as const;

/** Runs in the page: every activation that the tracker shows, but for those that have no numbers yet. */
function lookAtTracker(): Sample[] {
  return [...document.querySelectorAll<HTMLElement>('[data-testid="tracked-session"]')].flatMap((run) => {
    const read = (id: string, attribute: string): number =>
      Number(run.querySelector(`[data-testid="${id}"]`)?.getAttribute(attribute) ?? NaN);
    if (run.querySelector('[data-testid="count-total"]') === null) return [];
    return [
      {
        sessionId: run.dataset['sessionId'] ?? '',
        at: performance.timeOrigin + performance.now(),
        rev: Number(run.dataset['rev']),
        state: run.dataset['state'] ?? '',
        link: run.dataset['link'] ?? '',
        processed: read('count-processed', 'data-value'),
        total: read('count-total', 'data-value'),
        activated: read('count-activated', 'data-value'),
        sent: read('count-sent', 'data-value'),
        activationBar: read('activation-bar', 'aria-valuenow'),
        emailBar: read('email-bar', 'aria-valuenow'),
      },
    ];
  });
}

/** Collects samples of a tab, from before its first page on and across every load. */
export async function watchTracker(page: Page): Promise<Sample[]> {
  const samples: Sample[] = [];
  await page.exposeFunction('keepSamples', (kept: Sample[]) => void samples.push(...kept));
  await page.addInitScript(`{
    const look = ${lookAtTracker.toString()};
    const collect = () => { const kept = look(); if (kept.length > 0) void window.keepSamples(kept); };
    setInterval(collect, 100);
    new MutationObserver(collect).observe(document, { subtree: true, childList: true, attributes: true });
  }`);
  return samples;
}

/** Every look, in order, that showed a count of an activation lower than one before it. */
export function stepsBack(samples: readonly Sample[]): string[] {
  const before = new Map<string, Sample>();
  return samples.flatMap((sample) => {
    const earlier = before.get(sample.sessionId);
    before.set(sample.sessionId, sample);
    if (earlier === undefined) return [];
    return counts
      .filter((name) => !(sample[name] >= earlier[name]))
      .map((name) => `${name} ${earlier[name]} → ${sample[name]}`);
  });
}

/** What the tracker shows of an activation now; of the newest one when no id is given. */
export async function lookNow(page: Page, sessionId?: string): Promise<Sample | null> {
  const samples = await page.evaluate(lookAtTracker);
  return samples.find((sample) => sessionId === undefined || sample.sessionId === sessionId) ?? null;
}

/** Waits until the tracker shows of an activation what is wanted. */
export async function waitForTracker(
  page: Page,
  what: string,
  holds: (sample: Sample) => boolean,
  sessionId?: string,
): Promise<Sample> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const sample = await lookNow(page, sessionId);
    if (sample !== null && holds(sample)) return sample;
    if (Date.now() > deadline)
      throw new Error(`waited for ${what}; the tracker shows ${JSON.stringify(sample)}`);
    await page.waitForTimeout(50);
  }
}
