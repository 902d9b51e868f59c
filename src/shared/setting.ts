/**
 * The description of one setting: a variable or a secret of the Worker.
 *
 * Owns the type, and how a value is read. `src/runtime/settings.ts` lists the settings of the product, and each folder of
 * `src/mail/providers` lists those of its provider; `npm start`, `npm run deploy` and the Settings page read both.
 *
 * @module
 */

export interface Setting {
  /** The name of the environment variable, as in wrangler.toml. */
  name: string;
  /** A secret's value is never logged, shown or written to wrangler.toml. */
  isSecret: boolean;
  /** The value when nothing is set; null when there is none. */
  default: string | null;
  /** Its purpose, in one sentence for the person who deploys. */
  meaning: string;
  /** Returns what is wrong with a value that is not empty, as the end of a sentence (`is a number above 0`), or null. */
  check?: (value: string) => string | null;
}

/** A text of the Worker's environment, trimmed; empty when it is not set. */
export function textSetting(env: object, name: string): string {
  const value = (env as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value.trim() : '';
}
