/**
 * Faults of the platform: which error text means what, and what a person reads of it.
 */
import { describe, expect, it } from 'vitest';
import { classifyFault, faultText } from '../../src/durable/faults.ts';

const retryable = (message: string): Error => Object.assign(new Error(message), { retryable: true });

describe('a fault of the platform', () => {
  it.each([
    ['superseded', new Error('Durable Object reset because its code was updated.')],
    ['superseded', new Error('This Durable Object has been moved to a different machine.')],
    ['superseded', new Error('The object is being reset')],
    ['superseded', retryable('Durable Object storage is no longer accessible.')],
    ['refused', new Error('D1_ERROR: UNIQUE constraint failed: leads.email: SQLITE_CONSTRAINT')],
    ['refused', new Error('D1_ERROR: string or blob too big: SQLITE_TOOBIG')],
    ['transient', new Error('D1_ERROR: Network connection lost.')],
    ['transient', new Error('D1 DB is overloaded. Requests queued for too long.')],
    ['transient', new Error('Network connection lost.')],
    ['transient', new Error('internal error; reference = abc')],
    ['transient', retryable('something that the platform says may pass')],
    ['bug', new TypeError('Cannot read properties of undefined')],
    ['bug', 'a text that was thrown'],
    ['bug', null],
  ])('is %s: %s', (kind, error) => {
    expect(classifyFault(error).kind).toBe(kind);
  });

  it('is told to people in our words: nothing of the error, which may name an address', () => {
    for (const text of [
      'D1_ERROR: ann@example.com',
      'SQLITE_CONSTRAINT ann@example.com',
      'ann@example.com',
    ]) {
      const fault = classifyFault(new Error(text));
      expect('message' in fault ? fault.message : '').not.toContain('@');
    }
  });

  it('is logged in its own words, bounded and without a stack', () => {
    const text = faultText(new Error('x'.repeat(10_000)));
    expect(text).toHaveLength(500);
    expect(faultText(new Error('broken'))).toBe('Error: broken');
  });
});
