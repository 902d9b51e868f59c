/**
 * How this product calls other systems: the part of `fetch` that it uses, and the name that it gives itself.
 *
 * @module
 */

/** Resend answers 403 to a request without a User-Agent, and `fetch` in a Worker sends none by itself. */
export const userAgent = 'lead-activation/1.0';

/** The part of `fetch` that is used; replaced by tests. `onSent` is called when the request
 * has left, as in `DeliveryCall` of the mail transport. */
export type FetchLike = (url: string, init: RequestInit, onSent?: () => void) => Promise<Response>;
