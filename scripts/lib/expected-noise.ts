/**
 * Takes out of a test run's output what the runtime prints about faults that the tests cause on purpose.
 *
 * The test pool writes the runtime's stderr to its own and has no setting for it. Each message is known by
 * its full wording; a message with another wording, and each line after it, is printed as it came.
 *
 * @module
 */

/** First lines that are expected in any context. */
const expectedMessages = [
  // `ctx.abort('crash')` of the crash tests.
  /^(?:uncaught exception; )?exception = workerd\/api\/actor-state\.c\+\+:\d+: failed: (?:remote\.)?broken\.outputGateBroken; jsg\.Error: crash$/,
  // D1's answer to an object that was aborted meanwhile.
  /^\[mf:error\] TypeError: Can't read from request stream because client disconnected\.$/,
  // The configuration's required secrets; the tests pass them as bindings.
  /^Using secrets defined in process\.env$/,
  /^▲ \[WARNING\] Missing required secrets: MAIL_API_KEY, ADDRESS_HASH_KEY, RECEIPT_SIGNING_KEY\. /,
  // The report that scripts/test.ts reads and removes.
  /^JSON report written to /,
  /^Sourcemap for ".*\/standardwebhooks\/dist\/index\.js" points to missing source files$/,
];

/** First lines that are expected when a line after them names the test that throws this error. */
const messagesWithSource: readonly [message: RegExp, source: string][] = [
  [/stack = Error: database (?:is locked: SQLITE_BUSY|or disk is full: SQLITE_FULL)$/, 'storage.test.ts'],
  [/stack = Error: Network connection lost\.$/, 'commands.test.ts'],
];

/** A test calls a mail API at an address where nothing listens. */
const refusedConnection =
  /^exception = rust\/worker\/ffi\.rs:\d+: disconnected: Connection refused \(os error \d+\)$/;
/** The lines that follow directly from it. */
const lostConnection =
  /^uncaught exception; .*(?:stack = Error|disconnected: jsg\.Error): Network connection lost\.$/;

/** Lines without a stack that follow from those above. */
const expectedWithoutStack = [
  /^uncaught exception; exception = workerd\/jsg\/value\.h:\d+: failed: jsg\.Error: database (?:is locked: SQLITE_BUSY|or disk is full: SQLITE_FULL)$/,
];

const isMessage = (line: string): boolean =>
  /^(?:uncaught exception; |exception = |\[mf:error\] )/.test(line);
const isContinuation = (line: string): boolean => /^(?:stack: |\s+at )/.test(line);
const withoutColour = (line: string): string => line.replaceAll(/\u001B\[[0-9;]*m/g, '');

/** One message of the runtime and the lines of its stack, held until its end is seen. */
interface Held {
  first: string;
  lines: string[];
}

/** Filters output that comes in pieces. */
export class ExpectedNoise {
  readonly #print: (text: string) => void;
  #rest = '';
  #held: Held | null = null;
  #isAfterWarning = false;
  #isAfterRefusal = false;

  /** @param print - is handed whole lines, with their line ends */
  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  /** Takes the next piece of output. */
  write(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  /** Prints what is held back: the output has ended. */
  end(): void {
    this.#release();
    if (this.#rest !== '') this.#print(this.#rest);
    this.#rest = '';
  }

  #line(line: string): void {
    const plain = withoutColour(line);
    if (this.#held !== null && isContinuation(plain)) {
      this.#held.lines.push(line);
      return;
    }
    this.#release();
    // wrangler prints two empty lines after a warning.
    if (this.#isAfterWarning && plain.trim() === '') return;
    this.#isAfterWarning = false;
    if (isMessage(plain)) {
      this.#held = { first: plain, lines: [line] };
    } else if (expectedMessages.some((message) => message.test(plain))) {
      this.#isAfterWarning = plain.startsWith('▲');
    } else {
      this.#print(`${line}\n`);
    }
  }

  #release(): void {
    const held = this.#held;
    this.#held = null;
    if (held === null) return;
    if (refusedConnection.test(held.first)) {
      this.#isAfterRefusal = true;
      return;
    }
    if (this.#isAfterRefusal && lostConnection.test(held.first)) return;
    this.#isAfterRefusal = false;
    if (isExpected(held)) return;
    for (const line of held.lines) this.#print(`${line}\n`);
  }
}

function isExpected({ first, lines }: Held): boolean {
  if (expectedMessages.some((message) => message.test(first))) return true;
  if (expectedWithoutStack.some((message) => message.test(first))) return true;
  return messagesWithSource.some(
    ([message, source]) =>
      message.test(first) && lines.some((line) => line.includes(`/test/workerd/${source}:`)),
  );
}
