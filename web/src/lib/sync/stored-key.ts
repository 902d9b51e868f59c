/**
 * What marks the keys of stored sessions in the browser's storage.
 *
 * @module
 */

/** Begins the key of every stored session; its id follows. */
export const keyPrefix = 'lead-activation:session:';
