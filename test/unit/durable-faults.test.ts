/**
 * Faults of the platform: the meaning of each error text, and the message for people.
 */
import { describe, expect, it } from 'vitest';
import { callGate, atStorage, classifyFault, faultText, GateError } from '../../src/runtime/faults.ts';

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
    ['transient', new Error('Too many subrequests by single Worker invocation.')],
    ['transient', retryable('something that the platform says may pass')],
    ['transient', new TypeError('The RPC receiver does not implement the method "poll".')],
    ['bug', new TypeError('Cannot read properties of undefined')],
    ['bug', 'a text that was thrown'],
    ['bug', null],
  ])('is %s: %s', (kind, error) => {
    expect(classifyFault(error).kind).toBe(kind);
  });

  it.each([
    ['The CRM database', new Error('D1_ERROR: Network connection lost.')],
    ['The CRM database', new Error('D1 DB is overloaded. Requests queued for too long.')],
    ['The mail gate', new GateError(new Error('Network connection lost.'))],
    ['The mail gate', new GateError(retryable('something that the platform says may pass'))],
    ['The platform', new Error('internal error; reference = abc')],
    ['The platform', retryable('something that the platform says may pass')],
  ])('names its place: %s, for %s', (place, error) => {
    const fault = classifyFault(error);
    expect(fault).toEqual({
      kind: 'transient',
      place: place === 'The CRM database' ? 'crm' : 'platform',
      message: `${place} does not answer. The activation continues when it does.`,
    });
  });

  it.each([
    ['storage', new Error('database is locked: SQLITE_BUSY')],
    ['storage', new Error('database or disk is full: SQLITE_FULL')],
    ['transient', new Error('D1_ERROR: database is locked: SQLITE_BUSY')],
    ['transient', new GateError(new Error('database is locked: SQLITE_BUSY'))],
  ])('is %s only when the object itself is affected: %s', async (kind, error) => {
    expect(classifyFault(error).kind).toBe(kind);
    const unarmed: unknown = await atStorage(() => Promise.reject(new Error('internal error'))).catch(
      (thrown: unknown) => thrown,
    );
    expect(classifyFault(unarmed).kind).toBe('storage');
  });

  it('at the gate keeps its kind and its message, and a call without a fault returns its answer', async () => {
    await expect(callGate(() => Promise.resolve(7))).resolves.toBe(7);
    const thrown: unknown = await callGate(() => Promise.reject(new TypeError('no such method'))).catch(
      (error: unknown) => error,
    );
    expect(classifyFault(thrown).kind).toBe('bug');
    expect(faultText(thrown)).toBe('GateError: no such method');
    const replaced = new GateError(new Error('Durable Object reset because its code was updated.'));
    expect(classifyFault(replaced).kind).toBe('superseded');
  });

  it('is shown in our own words, without the text of the error, which may contain an address', () => {
    for (const text of [
      'D1_ERROR: ann@example.com',
      'SQLITE_CONSTRAINT ann@example.com',
      'ann@example.com',
    ]) {
      const fault = classifyFault(new Error(text));
      expect('message' in fault ? fault.message : '').not.toContain('@');
    }
  });

  it('is logged with its own message, bounded and without a stack', () => {
    const text = faultText(new Error('x'.repeat(10_000)));
    expect(text).toHaveLength(500);
    expect(faultText(new Error('broken'))).toBe('Error: broken');
  });
});
