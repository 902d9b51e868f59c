/**
 * Runs once, at build time, for the shell that every page is: adds the text font to what the browser loads at once.
 *
 * @module
 */
import type { Handle } from '@sveltejs/kit/hooks';

/** Text is Latin nearly always; the browser finds the other alphabets in the style sheet when it needs them. */
const textFont = /geist-latin-wght/;

export const handle: Handle = ({ event, resolve }) =>
  resolve(event, { preload: ({ type, path }) => type !== 'font' || textFont.test(path) });
