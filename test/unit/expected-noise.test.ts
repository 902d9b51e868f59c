import { describe, expect, it } from 'vitest';
import { ExpectedNoise } from '../../scripts/lib/expected-noise.ts';

/** What is printed of an output that comes in pieces of so many characters. */
function printed(lines: readonly string[], pieceLength = 7): string[] {
  let text = '';
  const noise = new ExpectedNoise((part) => (text += part));
  const output = lines.map((line) => `${line}\n`).join('');
  for (let at = 0; at < output.length; at += pieceLength) noise.write(output.slice(at, at + pieceLength));
  noise.end();
  return text.split('\n').slice(0, -1);
}

const crash =
  'uncaught exception; exception = workerd/api/actor-state.c++:1249: failed: broken.outputGateBroken; jsg.Error: crash';
const stack = 'stack: /node_modules/workerd@3a4d6a0 /node_modules/workerd@3a4d9d0';

describe("the test run's output", () => {
  it('has no line about a crash that a test made, nor its stack', () => {
    expect(printed(['before', crash, stack, crash, 'after'])).toEqual(['before', 'after']);
    expect(printed([crash, stack])).toEqual([]);
  });

  it('has a crash with any other reason, with its stack', () => {
    const other = crash.replace('jsg.Error: crash', 'jsg.Error: no such table');
    expect(printed([crash, stack, other, stack, 'after'])).toEqual([other, stack, 'after']);
  });

  it('has an error of storage unless the storage test made it', () => {
    const busy =
      'uncaught exception; source = Uncaught (in promise); stack = Error: database is locked: SQLITE_BUSY';
    const ofTest = '    at refuse (/project/test/workerd/storage.test.ts:47:9)';
    const ofProduct = '    at SessionStore.save (/project/src/durable/store/session-store.ts:65:25)';
    expect(printed([busy, ofTest, ofProduct])).toEqual([]);
    expect(printed([busy, ofProduct, 'after'])).toEqual([busy, ofProduct, 'after']);
    expect(printed([busy])).toEqual([busy]);
  });

  it('has a lost connection unless it follows a refused one', () => {
    const refused = 'exception = rust/worker/ffi.rs:110: disconnected: Connection refused (os error 111)';
    const lost =
      'uncaught exception; source = Uncaught (in promise); stack = Error: Network connection lost.';
    expect(printed([refused, stack, lost, 'after'])).toEqual(['after']);
    expect(printed([lost, 'after'])).toEqual([lost, 'after']);
  });

  it('keeps everything else as it came, colours and last line included', () => {
    const coloured = '\u001B[32m✓\u001B[39m a test';
    expect(printed([coloured, '', '    at nowhere', stack])).toEqual([coloured, '', '    at nowhere', stack]);
    let text = '';
    const noise = new ExpectedNoise((part) => (text += part));
    noise.write('no line end');
    noise.end();
    expect(text).toBe('no line end');
  });
});
