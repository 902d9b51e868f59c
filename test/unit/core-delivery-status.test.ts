import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  withDeliveryEvent,
  deliveryDelta,
  deliveryEvents,
  judgeReputation,
  deliveryStatus,
  type DeliveryCounts,
} from '../../src/core/batch/delivery-status.ts';
import { guardLimits } from '../../src/runtime/settings.ts';

const events = fc.array(fc.constantFrom(...deliveryEvents), { maxLength: 12 });
const none: DeliveryCounts = { delivered: 0, bounced: 0, complained: 0 };

describe('the delivery status of a mail', () => {
  test('is the same for every order of its events, and for repeats of them', () => {
    fc.assert(
      fc.property(
        events.chain((list) =>
          fc.tuple(
            fc.constant(list),
            fc.shuffledSubarray([...list, ...list], { minLength: 2 * list.length }),
          ),
        ),
        ([once, twiceShuffled]) => {
          expect(twiceShuffled.reduce(withDeliveryEvent, 0)).toBe(once.reduce(withDeliveryEvent, 0));
        },
      ),
    );
  });

  test('never lowers a counter, and counts a mail at most once in each', () => {
    fc.assert(
      fc.property(events, (list) => {
        const sum = { ...none };
        let bits = 0;
        for (const event of list) {
          const next = withDeliveryEvent(bits, event);
          const delta = deliveryDelta(bits, next);
          for (const key of ['delivered', 'bounced', 'complained'] as const) {
            expect(delta[key]).toBeGreaterThanOrEqual(0);
            sum[key] += delta[key];
            expect(sum[key]).toBeLessThanOrEqual(1);
          }
          bits = next;
        }
        expect(sum.complained).toBeLessThanOrEqual(sum.delivered);
      }),
    );
  });

  test.each([
    [['delivered', 'complained', 'hardBounced'], 'complained'],
    [['delivered', 'hardBounced'], 'bounced'],
    [['bounced', 'delivered'], 'bounced'],
    [['suppressed'], 'bounced'],
    [['failed', 'delayed'], 'bounced'],
    [['delayed', 'delivered'], 'delivered'],
    [['delayed'], null],
    [[], null],
  ] as const)('%j is shown as %s', (list, state) => {
    expect(deliveryStatus([...list].reduce(withDeliveryEvent, 0)).state).toBe(state);
  });
});

describe('the reputation guard', () => {
  const judge = (counts: Partial<DeliveryCounts>, acknowledged: Partial<DeliveryCounts> = {}) =>
    judgeReputation({ ...none, ...counts }, { ...none, ...acknowledged }, guardLimits({}))?.reason ?? null;

  test.each([
    ['says nothing before 500 results', { delivered: 0, bounced: 499, complained: 9 }, null],
    ['leaves a session with good numbers alone', { delivered: 10_000, bounced: 399, complained: 8 }, null],
    ['speaks at 4 % of bounces', { delivered: 9_600, bounced: 400 }, 'bounce_rate'],
    ['speaks at 0.08 % of complaints', { delivered: 10_000, complained: 8 }, 'complaint_rate'],
    ['names complaints before bounces', { delivered: 500, bounced: 500, complained: 5 }, 'complaint_rate'],
  ] as const)('%s', (_, counts, reason) => {
    expect(judge(counts)).toBe(reason);
  });

  test('does not pause a session again for what a person has seen, only for what comes after', () => {
    const seen = { delivered: 480, bounced: 20, complained: 0 };
    expect(judge(seen)).toBe('bounce_rate');
    expect(judge(seen, seen)).toBeNull();
    expect(judge({ ...seen, delivered: 960, bounced: 39 }, seen)).toBeNull();
    expect(judge({ ...seen, delivered: 960, bounced: 40 }, seen)).toBe('bounce_rate');
  });

  test('may be zero percent, which still needs one bounce', () => {
    const strict = { minResultCount: 0, maxBouncePercent: 0, maxComplaintPercent: 0 };
    expect(judgeReputation({ ...none, delivered: 5 }, none, strict)).toBeNull();
    expect(judgeReputation({ ...none, delivered: 5, bounced: 1 }, none, strict)?.reason).toBe('bounce_rate');
  });
});
