/**
 * Records what a page's tracker shows, ten times a second and at every change, as a person would see it.
 *
 * @module
 */
import type { Page } from 'playwright-core';

/** One reading of one activation in the tracker. */
export interface Sample {
  sessionId: string;
  /** The page's time origin plus the milliseconds since it, so that all tabs share one clock. */
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

/** Runs in the page: reads every activation in the tracker that has numbers. */
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

/** Collects the samples of a tab from its first page on and across every load. */
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

/** Every sample, in order, with a count lower than in an earlier sample of the same activation. */
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

/** What the tracker shows about an activation now; without an id, about the newest one. */
export async function lookNow(page: Page, sessionId?: string): Promise<Sample | null> {
  const samples = await page.evaluate(lookAtTracker);
  return samples.find((sample) => sessionId === undefined || sample.sessionId === sessionId) ?? null;
}

/** Waits until the tracker shows a wanted state of an activation. */
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
