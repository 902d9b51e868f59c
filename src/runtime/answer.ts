/**
 * Reading what another system answered: JSON of an unknown form, text that may be shown and stored, and tables of
 * what answers mean.
 *
 * @module
 */

/** Parses JSON; undefined when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A property of an unknown value, if that value is an object and has it. */
export function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** A text property, or the fallback. */
export function textProperty(value: unknown, name: string, fallback: string): string {
  const found = property(value, name);
  return typeof found === 'string' && found !== '' ? found : fallback;
}

const maxMessageLength = 300;

/**
 * A message of another system in the form in which it may be shown and stored: one line, bounded, and without addresses
 * (mail providers often quote the recipient that they refuse).
 */
export function safeMessage(message: string): string {
  return message
    .slice(0, 4 * maxMessageLength)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replace(/[^\s@<>"'`(),;:[\]]*@[^\s@<>"'`(),;:[\]]+/g, '(address)')
    .trim()
    .slice(0, maxMessageLength);
}

/** An error code of another system in the form in which it may be stored: a short word. */
export function safeCode(code: string): string {
  return code.replace(/[^A-Za-z0-9_.-]+/g, '_').slice(0, 64);
}

/** What a line of a table matches; properties that it leaves out match anything. */
export interface RulePattern {
  status?: readonly number[] | { from: number; to: number };
  code?: RegExp;
  message?: RegExp;
}

/** The first line of a table that an answer matches. Mail providers and CRMs have such tables. */
export function findRule<Rule extends RulePattern>(
  table: readonly Rule[],
  answer: { status: number; code: string; message: string },
): Rule | undefined {
  return table.find(
    ({ status, code, message }) =>
      (status === undefined || fitsStatus(status, answer.status)) &&
      (code === undefined || code.test(answer.code)) &&
      (message === undefined || message.test(answer.message)),
  );
}

function fitsStatus(rule: NonNullable<RulePattern['status']>, status: number): boolean {
  return 'from' in rule ? status >= rule.from && status <= rule.to : rule.includes(status);
}
