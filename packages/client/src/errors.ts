/**
 * What the client throws. Each says what happened in a sentence that can be shown to a person.
 *
 * @module
 */
import type { Problem, Refusal } from './exchange.ts';

/** The server refused the request. Decide by {@link code}; a refused request has written nothing. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail === '' ? problem.title : problem.detail);
    this.problem = problem;
  }
  /** Stable, for programs; `/problems` of the product explains each. */
  get code(): Problem['code'] {
    return this.problem.code;
  }
  get status(): number {
    return this.problem.status;
  }
}

/** The sign-in is missing, wrong or expired, or its role is in no list. */
export class SignedOutError extends Error {
  override readonly name = 'SignedOutError';

  constructor() {
    super(
      'The server asks for a sign-in. Check the client id and the secret of the service token, and that its client id is in a role list.',
    );
  }
}

/** There was no answer for as long as the client was to repeat the request. Nobody knows whether the server took it. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  constructor(url: string) {
    super(
      `${url} did not answer. The request may have been carried out; the same request can be sent again.`,
    );
  }
}

/** What answered is not the product, or not where it is: another site, a page of the network in between, a path of it. */
export class WrongAddressError extends Error {
  override readonly name = 'WrongAddressError';

  constructor(url: string) {
    super(
      `${url} answered, but that is not the address of a Lead Activation installation. ` +
        (hasPath(url)
          ? `Leave out the path: ${new URL(url).origin}`
          : 'Check the address: in a browser it shows the leads.'),
    );
  }
}

/** The activation was erased while it was followed. */
export class ErasedError extends Error {
  override readonly name = 'ErasedError';

  constructor(sessionId: string) {
    super(`${sessionId} was erased.`);
  }
}

const hasPath = (url: string): boolean => {
  const { href, origin } = new URL(url);
  return href !== `${origin}/`;
};

/** The error of a refusal. */
export function errorOf(refusal: Refusal, url: string): Error {
  switch (refusal.kind) {
    case 'problem':
      // The product has no path before its own: below `https://leads.example.com/api` it finds nothing.
      return refusal.problem.code === 'not_found' && hasPath(url)
        ? new WrongAddressError(url)
        : new RefusedError(refusal.problem);
    case 'signed_out':
      return new SignedOutError();
    case 'unreachable':
      return refusal.isForeign === true ? new WrongAddressError(url) : new UnreachableError(url);
  }
}
