/** The layers of the bar add up to the processed leads, in any order of results. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { layerKinds, layersOf, needsAttention } from '../../web/src/lib/sync/layers.ts';
import { progressOf } from '../support/progress.ts';

const counts = fc.record({
  skipped: fc.nat(50),
  notActivated: fc.nat(50),
  sent: fc.nat(50),
  failed: fc.nat(50),
  unknown: fc.nat(50),
  waiting: fc.nat(50),
  delivered: fc.nat(60),
});

it('the layers of an activation add up to its processed leads', () => {
  fc.assert(
    fc.property(counts, ({ skipped, notActivated, sent, failed, unknown, waiting, delivered }) => {
      const activated = sent + failed + unknown + waiting;
      const layers = layersOf(
        progressOf({
          activation: { activated, skipped, failed: notActivated },
          email: { sent, failed, unknown, delivered, bounced: 0, complained: 0 },
        }),
      );
      const sum = layerKinds.reduce((total, kind) => total + layers[kind], 0);
      expect(sum).toBe(activated + skipped + notActivated);
      expect(Math.min(...layerKinds.map((kind) => layers[kind]))).toBeGreaterThanOrEqual(0);
      expect(needsAttention(layers)).toBe(failed + notActivated + unknown);
    }),
  );
});

it('a delivered mail leaves the layer of sent mails', () => {
  const email = { sent: 8, failed: 1, unknown: 0, delivered: 5, bounced: 0, complained: 0 };
  const layers = layersOf(progressOf({ activation: { activated: 10, skipped: 2, failed: 0 }, email }));
  expect(layers).toEqual({ delivered: 5, sent: 3, unconfirmed: 0, failed: 1, activated: 1, skipped: 2 });
});
