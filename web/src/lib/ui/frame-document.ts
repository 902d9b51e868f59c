/**
 * A mail as a document for a sandboxed frame: nothing in it runs and nothing in it is fetched.
 *
 * @module
 */

/** Styles and pictures that are in the mail itself; no script, no font, no picture from anywhere. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/**
 * Puts the policy in front of everything that the mail says: a policy after the first picture would come
 * too late. A mail's own `<html>` and `<head>` tags are then merged into ours by the parser.
 */
export function frameDocument(html: string): string {
  return `<!doctype html><html><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"></head>${html}`;
}
