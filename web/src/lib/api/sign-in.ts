/**
 * How an expired sign-in is recognized. Cloudflare Access, in front of the server, answers the request for a
 * page with a redirect to its login on another host, which a script cannot follow. With the headers below it
 * answers 401 instead; a redirect that still comes means the same.
 *
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/
 * @module
 */

/** Headers of every call. */
export const apiHeaders = { accept: 'application/json', 'x-requested-with': 'XMLHttpRequest' } as const;

/** True when a person has to sign in again. Calls are made with `redirect: 'manual'`: none of ours redirects. */
export function isSignedOut(response: { status: number; type: string }): boolean {
  return response.status === 401 || response.type === 'opaqueredirect';
}
