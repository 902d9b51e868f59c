/**
 * Hands a value to the person as a JSON file.
 *
 * @module
 */

/** Saves it under that name. The file is made in the browser: its content is in no address and no cache. */
export function saveJson(fileName: string, value: unknown): void {
  const url = URL.createObjectURL(
    new Blob([`${JSON.stringify(value, null, 2)}\n`], { type: 'application/json' }),
  );
  const link = Object.assign(document.createElement('a'), { href: url, download: fileName });
  link.click();
  URL.revokeObjectURL(url);
}
