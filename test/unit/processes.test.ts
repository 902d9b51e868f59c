/**
 * How the project's own commands end.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';

const processes = new URL('../../scripts/lib/processes.ts', import.meta.url).href;

/** A process with a channel to this one, as bootstrap.mjs starts the script of every command. */
function start(code: string): ChildProcess {
  const source = `import { stopWhenAsked } from ${JSON.stringify(processes)}; stopWhenAsked(); ${code}`;
  return spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', source], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

describe('a command that stops on request', () => {
  test('ends by itself when its work is done, while its parent still listens', async () => {
    const child = start('process.exitCode = 3;');
    expect(await once(child, 'exit')).toEqual([3, null]);
  });

  test('ends when its parent has ended', async () => {
    const child = start("setInterval(() => {}, 1_000); process.send('ready');");
    await once(child, 'message');
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([130, null]);
  });
});
