/**
 * How a sign-in that has run out shows itself. Cloudflare Access stands in front of the server and answers a
 * page with a redirect to its login, which a script cannot follow to another host; asked in this way it says
 * 401, and a redirect that comes all the same means the same.
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
