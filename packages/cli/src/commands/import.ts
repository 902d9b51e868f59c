/**
 * `lead-activation import FILE.csv`: sends the rows of a file, chunk after chunk, as the app does.
 *
 * Invariant: a chunk whose answer was lost is sent again under the same number, which the server stores once. A broken
 * import is taken up where it stopped, by its id.
 *
 * @module
 */
import { basename } from 'node:path';
import { limits } from '../../../../src/shared/limits.ts';
import type { Schemas } from '../../../client/src/index.ts';
import { mappingFor, openCsv, readRows, type CsvFile, type CsvRow } from '../csv-file.ts';
import { countOf, formatCount } from '../terminal.ts';
import { exitCodes } from '../usage.ts';
import { onlyArgument, writeJson, type Call, type ExitCode } from './call.ts';

/** Rejected rows that are named one by one; the others are counted. */
const maxNamedRowCount = 20;

/** Rows of one request: as many as it may have, and not more text than a body may have. */
async function* chunksOf(file: CsvFile): AsyncGenerator<CsvRow[]> {
  let rows: CsvRow[] = [];
  let length = 0;
  for await (const row of readRows(file)) {
    const rowLength = JSON.stringify(row).length;
    // A character has up to three bytes in UTF-8 for one unit in UTF-16.
    const isFull =
      rows.length === limits.maxImportChunkRowCount || (length + rowLength) * 3 > limits.maxImportChunkBytes;
    if (isFull && rows.length > 0) {
      yield rows;
      rows = [];
      length = 0;
    }
    rows.push(row);
    length += rowLength;
  }
  if (rows.length > 0) yield rows;
}

export async function importFile({ client, options, args, terminal, signal }: Call): Promise<ExitCode> {
  const path = onlyArgument(args, 'file');
  const file = await openCsv(path);
  const { columns } = file.layout;
  const externalSource = options['external-source'] ?? '';
  const mapping = mappingFor(file, externalSource);
  const importId = `import_${Date.now()}_${crypto.randomUUID().slice(0, 8)}`;
  await client.request('post', '/crm/imports', {
    body: {
      importId,
      fileName: basename(path),
      sizeBytes: file.sizeBytes,
      columns,
      mapping,
      consentSource: options['consent-source'] ?? '',
      source: options.source ?? '',
      externalSource,
    },
    isRepeatable: true,
    signal,
  });
  const issues: Schemas['ImportIssue'][] = [];
  let seq = 0;
  let lastLine = 0;
  for await (const rows of chunksOf(file)) {
    const answer = await client.request('put', '/crm/imports/{importId}/chunks/{seq}', {
      params: { importId, seq },
      body: { rows: rows.map(({ line, cells }) => ({ line, cells: [...cells] })) },
      signal,
    });
    seq += 1;
    lastLine = rows.at(-1)?.line ?? lastLine;
    issues.push(...answer.issues.slice(0, Math.max(0, maxNamedRowCount - issues.length)));
    if (terminal.isLive && options.json !== true) {
      const { created, updated, unchanged } = answer.import.counts;
      await terminal.write(
        `\r\x1b[K${formatCount(created + updated + unchanged)} leads, line ${formatCount(lastLine)}`,
      );
    }
  }
  const done = await client.request('post', '/crm/imports/{importId}/finish', {
    params: { importId },
    body: {},
    isRepeatable: true,
    signal,
  });
  if (options.json === true) {
    await writeJson(terminal, done);
    return exitCodes.ok;
  }
  const { created, updated, unchanged, duplicate, rejected, unmailable } = done.counts;
  const lines = [
    `${basename(path)}: ${countOf(created, 'lead')} created, ${formatCount(updated)} updated, ${formatCount(unchanged)} unchanged`,
    ...(duplicate > 0 ? [`  ${countOf(duplicate, 'duplicate')} in the file`] : []),
    ...(rejected > 0 ? [`  ${countOf(rejected, 'row')} rejected`] : []),
    ...(unmailable > 0 ? [`  ${formatCount(unmailable)} with an address that no mail can reach`] : []),
    ...issues.map(({ line, reason }) => `  line ${line}: ${reason}`),
    ...(duplicate + rejected > issues.length ? ['  and more; the app has the list'] : []),
    ...(file.layout.mapping.externalId.length > mapping.externalId.length
      ? ['  external ids were not read: name their system with --external-source']
      : []),
    `Import ${importId}`,
  ];
  await terminal.write(`${terminal.isLive ? '\r\x1b[K' : ''}${lines.join('\n')}\n`);
  return exitCodes.ok;
}
