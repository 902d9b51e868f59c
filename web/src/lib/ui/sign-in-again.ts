/**
 * Back to the login when a sign-in has expired.
 *
 * @module
 */

/** Goes back to the login. Cloudflare Access sends a page that is loaded anew through its login and back. */
export function signIn(): void {
  location.reload();
}
