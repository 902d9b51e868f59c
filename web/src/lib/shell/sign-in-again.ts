/**
 * Back to the login, when a sign-in has run out.
 *
 * @module
 */

/** Loading the page itself anew leads through the login and back. */
export function signIn(): void {
  location.reload();
}
