/**
 * The form of a name of another system. Without zod, because the web app loads it.
 *
 * @module
 */

/** The name of a system, as `externalId.source` has it; `limits.maxExternalSourceLength` bounds it. */
export const externalSourcePattern = /^[a-z0-9][a-z0-9._-]*$/;
