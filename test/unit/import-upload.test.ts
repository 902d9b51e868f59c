import { describe, expect, it } from 'vitest';
import { guessLayout, mappedColumns } from '../../src/shared/imports/import-file.ts';
import type { Import, ImportChunk } from '../../src/shared/schemas/imports.ts';
import type { Answer } from '../../web/src/lib/api/client.ts';
import { chooseField, emailColumns, guessedChoice, mappingOf } from '../../web/src/lib/imports/mapping.ts';
import type { FileChunk } from '../../web/src/lib/imports/read-file.ts';
import { uploadFile, uploadRetryWaitsMs } from '../../web/src/lib/imports/upload.ts';

const unreachable = { ok: false, refusal: { kind: 'unreachable' } } as const;
const problem = (status: number, code: string) =>
  ({ ok: false, refusal: { kind: 'problem', problem: { status, code } } }) as Answer<never>;

/** A server that takes each chunk once, in order, and a file of so many chunks of ten lines. */
class World {
  readonly taken: string[] = [];
  readonly asked: number[] = [];
  readonly waitsMs: number[] = [];
  readonly attempts: number[] = [];
  readonly seen: number[] = [];
  isFinished = false;
  /** What the next calls are answered with, in place of the server's answer; the call gets through or not. */
  faults: { reaches: boolean; answer: Answer<never> }[] = [];
  readonly #chunkCount: number;

  constructor(chunkCount: number) {
    this.#chunkCount = chunkCount;
  }

  run(signal = new AbortController().signal, onSent: () => void = () => undefined) {
    return uploadFile(
      { nextSeq: this.taken.length, nextLine: this.taken.length * 10 + 1 },
      {
        chunks: (line) => this.#chunks(line),
        put: (seq, body) => Promise.resolve(this.#put(seq, body)),
        finish: () => Promise.resolve(this.#finish()),
        wait: (delayMs) => {
          this.waitsMs.push(delayMs);
          return Promise.resolve();
        },
      },
      {
        sent: (_, endByte) => {
          this.seen.push(endByte);
          onSent();
        },
        retrying: (attempt) => this.attempts.push(attempt),
      },
      signal,
    );
  }

  async *#chunks(fromLine: number): AsyncGenerator<FileChunk> {
    await Promise.resolve();
    for (let at = Math.floor(fromLine / 10); at < this.#chunkCount; at++) {
      yield { body: `chunk ${at}`, rowCount: 10, endByte: (at + 1) * 100 };
    }
  }

  #put(seq: number, body: string): Answer<ImportChunk> {
    this.asked.push(seq);
    const fault = this.faults.shift();
    if (fault?.reaches === false) return fault.answer;
    if (seq === this.taken.length) this.taken.push(body);
    else if (this.taken[seq] !== body) return problem(409, 'chunk_conflict');
    if (fault !== undefined) return fault.answer;
    return { ok: true, value: { import: { nextSeq: this.taken.length } } as ImportChunk };
  }

  #finish(): Answer<Import> {
    const fault = this.faults.shift();
    if (fault !== undefined) return fault.answer;
    this.isFinished = true;
    return { ok: true, value: { state: 'done' } as Import };
  }
}

describe('an upload', () => {
  it('sends every chunk in order, tells how far it is, and finishes', async () => {
    const context = new World(3);
    expect(await context.run()).toMatchObject({ kind: 'done', import: { state: 'done' } });
    expect(context.taken).toEqual(['chunk 0', 'chunk 1', 'chunk 2']);
    expect(context.seen).toEqual([100, 200, 300]);
    expect(context.attempts).toEqual([]);
    expect(context.isFinished).toBe(true);
  });

  it('sends a chunk again whose answer was lost, under its own number', async () => {
    const context = new World(3);
    context.faults = [
      { reaches: true, answer: unreachable },
      { reaches: false, answer: unreachable },
      { reaches: false, answer: problem(503, 'unavailable') },
    ];
    expect(await context.run()).toMatchObject({ kind: 'done' });
    expect(context.asked).toEqual([0, 0, 0, 0, 1, 2]);
    expect(context.taken).toHaveLength(3);
    expect(context.waitsMs).toEqual(uploadRetryWaitsMs.slice(0, 3));
    expect(context.attempts).toEqual([1, 2, 3, 0]);
  });

  it('tries for as long as it takes, never more often than every 15 seconds in the end', async () => {
    const context = new World(1);
    context.faults = Array.from({ length: 40 }, () => ({ reaches: false, answer: unreachable }));
    expect(await context.run()).toMatchObject({ kind: 'done' });
    expect(new Set(context.waitsMs.slice(5))).toEqual(new Set([15_000]));
  });

  it("stops at the server's definite no, and goes on later from where it was", async () => {
    const context = new World(4);
    context.faults = [{ reaches: true, answer: problem(401, 'unauthenticated') }];
    expect(await context.run()).toMatchObject({
      kind: 'refused',
      refusal: { problem: { code: 'unauthenticated' } },
    });
    expect(context.isFinished).toBe(false);
    expect(await context.run()).toMatchObject({ kind: 'done' });
    expect(context.asked).toEqual([0, 1, 2, 3]);
  });

  it('ends when its person lets go of the file, also while it waits', async () => {
    const context = new World(5);
    const stop = new AbortController();
    const outcome = await context.run(stop.signal, () => {
      if (context.seen.length === 2) stop.abort();
    });
    expect(outcome).toEqual({ kind: 'stopped' });
    expect(context.taken).toHaveLength(2);
    expect(context.isFinished).toBe(false);
  });
});

describe('what columns mean', () => {
  const layout = guessLayout([
    ['Name', 'Work email', 'Email', 'Shoe size', 'Company'],
    ['Ann', 'a@example.org', 'b@example.org', '38', 'Acme'],
  ]);

  it('is guessed, and the guess is the mapping until a person changes it', () => {
    const choice = guessedChoice(layout);
    expect(choice.fields).toEqual(['fullName', 'email', 'email', null, 'company']);
    expect(mappingOf(choice, layout.mapping)).toEqual(layout.mapping);
    // The better name first, not the first column.
    expect(mappingOf(choice, layout.mapping).email).toEqual([2, 1]);
  });

  it('is one column of addresses, or the first usable of several', () => {
    const choice = guessedChoice(layout);
    expect(emailColumns(choice)).toEqual([1, 2]);
    expect(mappingOf({ ...choice, emailColumn: 1 }, layout.mapping).email).toEqual([1]);
    const without = chooseField({ ...choice, emailColumn: 1 }, 1, 'notes');
    expect(without.emailColumn).toBeNull();
    expect(mappingOf(without, layout.mapping)).toMatchObject({ email: [2], notes: [1] });
    expect(mappingOf(chooseField(choice, 3, 'stage'), layout.mapping).stage).toEqual([3]);
    const own = chooseField(chooseField(choice, 3, 'custom:plan'), 1, 'custom:plan');
    expect(mappingOf(own, layout.mapping)).toMatchObject({ notes: [], custom: { plan: [1, 3] } });
    expect(mappedColumns(mappingOf(own, layout.mapping))).toContain(3);
    expect(mappingOf(chooseField(choice, 4, null), layout.mapping).company).toEqual([]);
  });
});
