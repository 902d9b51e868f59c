/**
 * The limit of requests in headers: `RateLimit-Policy` and `RateLimit`
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/, revision 10).
 *
 * The platform counts and says only whether a request is within the limit, so what remains is known when it is nothing.
 *
 * @module
 */

/** That of the binding REQUESTS_PER_PERSON in wrangler.toml; a test keeps the two equal. */
export const requestLimit = { count: 3_000, windowSeconds: 60 } as const;

/** The `RateLimit-Policy` of every answer to a person or a service token. */
export const ratePolicy = `"person";q=${requestLimit.count};w=${requestLimit.windowSeconds}`;

/** The `RateLimit` of a refused request. */
export const rateExceeded = `"person";r=0;t=${requestLimit.windowSeconds}`;
