import { describe, expect, it } from 'vitest';
import { readImportRow } from '../../src/shared/imports/parse-row.ts';
import { FileDecoder, sniffEncoding } from '../../src/shared/imports/import-file.ts';
import { limits } from '../../src/shared/limits.ts';
import {
  UnreadableFile,
  lookAtFile,
  readChunks,
  type FileSource,
} from '../../web/src/lib/imports/read-file.ts';
import { malformedFiles, type Expected, type MalformedFile } from '../support/malformed-files.ts';

/** A file that comes in slices of `size` bytes, as from a slow disk. */
function sliced(bytes: Uint8Array, sliceByteCount: number): FileSource {
  const blob = new Blob([bytes]);
  return {
    size: blob.size,
    slice: (start, end) => blob.slice(start, end),
    stream: () => {
      let at = 0;
      return new ReadableStream({
        pull(controller) {
          if (at >= bytes.length) controller.close();
          else controller.enqueue(bytes.slice(at, (at += sliceByteCount)));
        },
      });
    },
  };
}

/** The rows of a file that the browser sends, and the outcome that the server gives them. */
async function outcome(
  file: FileSource,
  fromLine = 1,
): Promise<{ rows: Expected[]; unreadableFrom?: number }> {
  const { reading, layout } = await lookAtFile(file);
  const { mapping } = layout;
  const rows: Expected[] = [];
  try {
    for await (const { body, rowCount } of readChunks(file, reading, { line: fromLine, mapping })) {
      expect(new TextEncoder().encode(body).length).toBeLessThan(limits.maxImportChunkBytes);
      const sent = (JSON.parse(body) as { rows: { line: number; cells: string[] }[] }).rows;
      expect(sent).toHaveLength(rowCount);
      expect(rowCount).toBeLessThanOrEqual(limits.maxImportChunkRowCount);
      for (const { line, cells } of sent) {
        const row = readImportRow(mapping, cells, line);
        if (row.kind === 'rejected') rows.push({ line, rejected: row.reason });
        else {
          const filled = Object.entries(row.lead).filter(([, value]) => value !== '');
          rows.push({ line, lead: Object.fromEntries(filled) });
        }
      }
    }
  } catch (error) {
    if (error instanceof UnreadableFile) return { rows, unreadableFrom: error.line };
    throw error;
  }
  return { rows };
}

const expected = ({ rows, unreadableFrom }: MalformedFile): unknown => ({
  rows: rows.map((row) =>
    'lead' in row ? row : { line: row.line, rejected: expect.stringContaining(row.rejected) as string },
  ),
  ...(unreadableFrom === undefined ? {} : { unreadableFrom }),
});

// Some files have megabytes, which take a busy machine seconds to parse.
describe('a file with', { timeout: 60_000 }, () => {
  it('is one of many', () => {
    expect(malformedFiles.length).toBeGreaterThanOrEqual(25);
  });

  it.each(malformedFiles.map((file) => [file.name, file] as const))(
    '%s is read as expected',
    async (_, file) => {
      const whole = new Blob([file.bytes]);
      const { reading } = await lookAtFile(whole);
      if (file.encoding !== undefined) expect(reading.encoding).toBe(file.encoding);
      if (file.delimiter !== undefined) expect(reading.delimiter).toBe(file.delimiter);
      if (file.hasHeader !== undefined) expect(reading.hasHeader).toBe(file.hasHeader);
      expect(await outcome(whole)).toEqual(expected(file));
      // Small slices cut characters and records; large files come in several slices anyway.
      if (file.bytes.length < 10_000) expect(await outcome(sliced(file.bytes, 3))).toEqual(expected(file));
    },
  );
});

describe('continuing with a file', () => {
  const text = Array.from({ length: 5_000 }, (_, at) => `n${at}@example.org,"N\n${at}"`).join('\n');
  const file = new Blob([`Email,Notes\n${text}\n`]);

  it('gives the same rows at the same lines, from the requested line on', async () => {
    const all = await outcome(file);
    expect(all.rows).toHaveLength(5_000);
    expect(all.rows.at(-1)?.line).toBe(2 + 4_999 * 2);
    const rest = await outcome(file, all.rows[3_210]!.line);
    expect(rest.rows).toEqual(all.rows.slice(3_210));
    expect(await outcome(file, 100_000)).toEqual({ rows: [] });
  });

  it('recognizes the file by its beginning, and no other file', async () => {
    const first = await lookAtFile(file);
    expect((await lookAtFile(file)).headHash).toBe(first.headHash);
    expect((await lookAtFile(new Blob([`Email,Notes\n${text} \n`]))).headHash).not.toBe(first.headHash);
    expect(first.headHash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('looking at a file', () => {
  it('follows a person who corrects its guess', async () => {
    const file = new Blob(['ann@example.org;Ann\nbob@example.org;Bob\n']);
    const guessed = await lookAtFile(file);
    expect(guessed.reading).toEqual({ encoding: null, delimiter: ';', hasHeader: false });
    expect(guessed.layout).toMatchObject({ columns: ['Column 1', 'Column 2'], mapping: { email: [0] } });
    expect(guessed.rows).toHaveLength(2);
    const said = await lookAtFile(file, { hasHeader: true, delimiter: ',' });
    expect(said.layout.columns).toEqual(['ann@example.org;Ann']);
    expect(said.rows).toHaveLength(1);
  });

  it('reads only the part that it needs', async () => {
    let readByteCount = 0;
    const line = new TextEncoder().encode('ann@example.org,Ann\n'.repeat(1_000));
    const endless: FileSource = {
      size: 1e12,
      slice: (start = 0, end = 0) => new Blob([line.slice(start, end)]),
      stream: () =>
        new ReadableStream({
          pull(controller) {
            readByteCount += line.length;
            controller.enqueue(line.slice());
          },
        }),
    };
    expect((await lookAtFile(endless)).rows).toHaveLength(20);
    expect(readByteCount).toBeLessThan(1_000_000);
  });

  it('does not take a stray NUL as a sign of UTF-16', () => {
    expect(sniffEncoding(new TextEncoder().encode('Email\u0000\nann@example.org\u0000\n'))).toBeNull();
    expect(new FileDecoder(null).decode(new TextEncoder().encode('a\u0000b'))).toBe('a\u0000b');
  });
});
