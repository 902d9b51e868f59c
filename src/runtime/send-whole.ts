/**
 * `fetch` that says when the body has left.
 *
 * workerd sends the bodies of simultaneous calls in pieces of 8 KiB, one of each call in turn. Five calls of a megabyte
 * then arrive at about the same moment, and their answers are waited for together.
 *
 * @module
 */

const encoder = new TextEncoder();
/** A megabyte leaves in a few ms. A receiver that takes longer does not hold up the other calls. */
const maxSendingMs = 100;

/**
 * Makes one request.
 *
 * @param onSent - called when the body has left, when the call has ended, or after 100 ms; it may be called twice
 */
export function sendWhole(url: string, init: RequestInit, onSent?: () => void): Promise<Response> {
  const { body } = init;
  if (onSent === undefined || typeof body !== 'string') return fetch(url, init);
  // Node has no such stream; there a body counts as sent at once.
  if (!('FixedLengthStream' in globalThis)) {
    onSent();
    return fetch(url, init);
  }
  const bytes = encoder.encode(body);
  // With a length the request has `Content-Length`, as with a text
  // (https://developers.cloudflare.com/workers/runtime-apis/streams/transformstream/#fixedlengthstream).
  const { readable, writable } = new FixedLengthStream(bytes.byteLength);
  const timer = setTimeout(onSent, maxSendingMs);
  const write = async (): Promise<void> => {
    const writer = writable.getWriter();
    try {
      await writer.write(bytes);
      await writer.close();
    } catch {
      // The call ended first. What became of it is in its answer.
    } finally {
      clearTimeout(timer);
      onSent();
    }
  };
  void write();
  return fetch(url, { ...init, body: readable });
}
