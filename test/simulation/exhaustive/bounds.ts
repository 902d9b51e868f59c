/**
 * The small worlds that `npm test` and `npm run proof` explore to the end.
 *
 * @module
 */

interface SmallWorldOptions {
  what: string;
  /** Options of main.ts. */
  args: readonly string[];
  /** Fewer states mean that something was not explored. */
  leastStateCount: number;
}

export const smallWorlds: readonly SmallWorldOptions[] = [
  {
    what: 'one lead, without keys, with four things that go wrong',
    args: ['--provider', 'postmark', '--wrong', '4'],
    leastStateCount: 1_000,
  },
  {
    what: 'one lead, with keys, with four things that go wrong',
    args: ['--provider', 'resend', '--wrong', '4'],
    leastStateCount: 1_000,
  },
  {
    what: 'two batches of two leads, with keys, with two things that go wrong',
    args: ['--provider', 'resend', '--leads', '2', '--batches', '2', '--wrong', '2'],
    leastStateCount: 1_000,
  },
  {
    what: 'two batches of two leads, without keys, with two things that go wrong',
    args: ['--provider', 'postmark', '--leads', '2', '--batches', '2', '--wrong', '2'],
    leastStateCount: 1_000,
  },
];
