import { describe, expect, it } from 'vitest';
import { ChainCheck, type Fault, type FaultKind } from '../../packages/cli/src/chain.ts';
import { nodeCrypto } from '../../packages/cli/src/verify.ts';
import { seededRandom } from '../support/random.ts';
import { sampleReceipt } from '../support/sample-receipt.ts';

/** 10,000 by `RECEIPT_TAMPERINGS=10000 npm run test:unit -- test/unit/receipt-tampering.test.ts`. */
const tamperingCount = Number(process.env['RECEIPT_TAMPERINGS'] ?? 1_500);

const receipt = [...sampleReceipt({ leadCount: 90, batchSize: 10 })];
const others = [
  [...sampleReceipt({ leadCount: 90, batchSize: 10, sessionId: 'activation_1704123456790_b8cd4e3a2' })],
  // The same session at another time, and a shorter one.
  [...sampleReceipt({ leadCount: 90, batchSize: 10, revision: 2 })],
  [...sampleReceipt({ leadCount: 20, batchSize: 5, sessionId: 'activation_1704123456791_c9de5f4b3' })],
];
const whole = receipt.join('');

function faultOf(text: string): Fault | null {
  const chain = new ChainCheck(nodeCrypto);
  const lines = text.split('\n');
  const rest = lines.pop() ?? '';
  for (const line of lines) chain.add(line, true);
  if (rest !== '') chain.add(rest, false);
  return chain.fault();
}

describe('a receipt that nobody has changed', () => {
  it('has no fault', () => {
    for (const lines of [receipt, ...others]) expect(faultOf(lines.join(''))).toBeNull();
  });
});

type Below = (bound: number) => number;

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_",:[]{} \\\n\r\té';

const tamperings: Record<Exclude<FaultKind, 'unsupported'>, (below: Below) => string> = {
  changed(below) {
    const at = below(whole.length);
    const character = alphabet.charAt(below(alphabet.length));
    // Overwrite, insert or delete one character.
    const [taken, put] = [
      [1, character],
      [0, character],
      [1, ''],
    ][below(3)] as [number, string];
    return whole.slice(0, at) + put + whole.slice(at + taken);
  },
  dropped(below) {
    // Without the last line the file would be cut off.
    const from = below(receipt.length - 1);
    const count = 1 + below(receipt.length - 1 - from);
    return receipt.toSpliced(from, count).join('');
  },
  swapped(below) {
    const lines = [...receipt];
    const one = below(lines.length);
    const other = (one + 1 + below(lines.length - 1)) % lines.length;
    [lines[one], lines[other]] = [lines[other]!, lines[one]!];
    return lines.join('');
  },
  truncated: (below) => whole.slice(0, below(whole.length)),
  spliced(below) {
    const other = others[below(others.length)]!;
    switch (below(4)) {
      case 0: {
        // Lines of another receipt between those of this one.
        const from = below(other.length);
        const lines = other.slice(from, from + 1 + below(3));
        return receipt.toSpliced(1 + below(receipt.length), 0, ...lines).join('');
      }
      case 1: {
        // In the place of lines of this one.
        const at = 1 + below(receipt.length - 1);
        return receipt.toSpliced(at, 1, other[Math.min(at, other.length - 1)]!).join('');
      }
      case 2: {
        // The begin of this one and the end of the other.
        const at = 1 + below(Math.min(receipt.length, other.length) - 1);
        return [...receipt.slice(0, at), ...other.slice(at)].join('');
      }
      default: {
        // A line of this one a second time.
        const from = below(receipt.length);
        return receipt.toSpliced(from + 1 + below(receipt.length - from), 0, receipt[from]!).join('');
      }
    }
  },
};

describe('a receipt that somebody has changed', () => {
  it(`is found out in each of ${tamperingCount} ways, and the way is named`, () => {
    const random = seededRandom(20_261_129);
    const below: Below = (bound) => Math.floor(random() * bound);
    const kinds = Object.keys(tamperings) as (keyof typeof tamperings)[];
    const counts: Record<string, number> = {};
    const wrong: { kind: string; named: string; text: string }[] = [];
    for (let index = 0; index < tamperingCount;) {
      const kind = kinds[index % kinds.length]!;
      const text = tamperings[kind](below);
      if (text === whole) continue;
      index++;
      const fault = faultOf(text);
      if (fault === null || fault.kind !== kind) {
        wrong.push({ kind, named: fault === null ? 'nothing' : `${fault.kind}: ${fault.message}`, text });
      } else counts[kind] = (counts[kind] ?? 0) + 1;
    }
    expect(wrong.map(({ kind, named }) => `${kind} was called ${named}`)).toEqual([]);
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(tamperingCount);
    console.info(`receipt: ${JSON.stringify(counts)} found and named`);
  });

  it('says where it was changed', () => {
    expect(faultOf(receipt.toSpliced(4, 2).join(''))?.message).toBe('Lines 5 to 6 are missing.');
    expect(faultOf(whole.replace('"seq":3', '"seq":4'))).toMatchObject({ kind: 'changed', line: 5 });
    expect(faultOf(whole.replaceAll('\n', '\r\n'))?.message).toContain('line ends');
    expect(faultOf('')?.message).toBe('The file is empty.');
  });
});
