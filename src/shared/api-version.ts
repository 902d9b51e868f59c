/**
 * The dated versions of the API, and the header that names one (docs/API.md has the promise).
 *
 * A version is added when a change would break clients of the one before. Where the answers of two versions differ, the
 * route asks for the version of its request.
 *
 * @module
 */

export const versionHeader = 'Lead-Activation-Version';

/** The oldest that is served first. */
export const apiVersions = ['2026-11-29'] as const;
export type ApiVersion = (typeof apiVersions)[number];

/** That of requests that name none. */
export const presentVersion: ApiVersion = '2026-11-29';
