/**
 * A call that says when its body has left, over a network that the test reads from.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { sendWhole } from '../../src/runtime/send-whole.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Takes the place of the network. */
function network(answer: (request: Request) => Promise<Response>): void {
  vi.stubGlobal('fetch', (input: string, init: RequestInit) => answer(new Request(input, init)));
}

const url = 'https://mail.example/emails';
const call = { method: 'POST', body: JSON.stringify({ subject: 'Grüße', text: 'x'.repeat(300_000) }) };

test('the body arrives as it was given', async () => {
  network(async (request) => Response.json({ body: await request.text() }));
  const response = await sendWhole(url, call, () => {});
  expect(await response.json()).toEqual({ body: call.body });
});

test('the next call may begin when the body was read, and not before', async () => {
  let read = (): void => {};
  network(async (request) => {
    await new Promise<void>((resolve) => (read = resolve));
    await request.text();
    return new Response(null, { status: 204 });
  });
  const onSent = vi.fn();
  const answer = sendWhole(url, call, onSent);
  await Promise.resolve();
  expect(onSent).not.toHaveBeenCalled();
  read();
  await answer;
  await vi.waitFor(() => expect(onSent).toHaveBeenCalledOnce());
});

test('the next call may begin when the call has failed', async () => {
  network(async (request) => {
    await request.body?.cancel();
    throw new TypeError('Network connection lost.');
  });
  const onSent = vi.fn();
  await expect(sendWhole(url, call, onSent)).rejects.toThrow('Network connection lost.');
  await vi.waitFor(() => expect(onSent).toHaveBeenCalled());
});

test('a receiver that does not take the body holds up the next call for a tenth of a second at most', async () => {
  vi.useFakeTimers();
  network(() => new Promise(() => {}));
  const onSent = vi.fn();
  void sendWhole(url, call, onSent);
  await vi.advanceTimersByTimeAsync(99);
  expect(onSent).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(onSent).toHaveBeenCalledOnce();
});
