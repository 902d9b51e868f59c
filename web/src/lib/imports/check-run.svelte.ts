/**
 * One check of a file: the browser goes through all rows, and the server says of the first
 * leads (`maxServerCheckCount`) how many would be created, updated and left as they are. Writes nothing.
 *
 * @module
 */
import type { ColumnMapping } from '../../../../src/shared/imports/import-file.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';
import { api, type Refusal } from '../api/client.ts';
import { FileReader } from './file-reader.ts';
import { emailCell, withRejected, type FileReport, type RefusedRow } from './file-report.ts';
import { forecast, type Forecast } from './forecast.ts';

export class CheckRun {
  readonly mapping: ColumnMapping;
  /** The system of the external ids; '' where none are read. */
  readonly externalSource: string;
  readonly #reading: ImportReading;
  readonly #consentSource: string;
  readonly #reader: FileReader;
  #fileReport = $state.raw<FileReport | null>(null);
  #answered = $state.raw({ created: 0, updated: 0, unchanged: 0 });
  #rejected = $state.raw<readonly RefusedRow[]>([]);
  readonly #report = $derived(
    this.#fileReport === null ? null : withRejected(this.#fileReport, this.#rejected),
  );
  #isDone = $state(false);
  #refusal = $state.raw<Refusal | null>(null);
  #isStopped = false;

  constructor(
    file: File,
    spec: { reading: ImportReading; mapping: ColumnMapping; consentSource: string; externalSource: string },
  ) {
    this.mapping = spec.mapping;
    this.externalSource = spec.externalSource;
    this.#reading = spec.reading;
    this.#consentSource = spec.consentSource;
    this.#reader = new FileReader(file);
  }

  /** What is known of the rows read so far. */
  get report(): FileReport | null {
    return this.#report;
  }
  get isDone(): boolean {
    return this.#isDone;
  }
  /** Why the server could not be asked. The file may be imported all the same. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  /** What an import would do; null until all rows were read, and where the server did not answer. */
  get forecast(): Forecast | null {
    return this.#isDone && this.#report !== null && this.#refusal === null
      ? forecast(this.#report, this.#answered)
      : null;
  }
  get canImport(): boolean {
    return this.#isDone && (this.#report?.leadCount ?? 0) > 0;
  }

  /** @throws FileFault where the file cannot be read */
  async run(): Promise<void> {
    try {
      const steps = this.#reader.check(this.#reading, this.mapping, this.#consentSource);
      for await (const { report, rowsJson } of steps) {
        if (this.#isStopped) return;
        this.#fileReport = report;
        if (rowsJson !== '' && this.#refusal === null) await this.#ask(rowsJson);
      }
      this.#isDone = !this.#isStopped;
    } finally {
      this.#reader.close();
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#reader.close();
  }

  async #ask(rowsJson: string): Promise<void> {
    const mapping = JSON.stringify(this.mapping);
    const consentSource = JSON.stringify(this.#consentSource);
    const externalSource = JSON.stringify(this.externalSource);
    const answer = await api.checkImport(
      `{"mapping":${mapping},"consentSource":${consentSource},"externalSource":${externalSource},"rows":${rowsJson}}`,
    );
    if (!answer.ok) {
      this.#refusal = answer.refusal;
      return;
    }
    const { created, updated, unchanged, issues } = answer.value;
    if (issues.length > 0) {
      const rows = JSON.parse(rowsJson) as { line: number; cells: string[] }[];
      const cells = new Map(rows.map((row) => [row.line, emailCell(this.mapping, row.cells)]));
      const found = issues.map(({ line, reason }) => ({ line, reason, cell: cells.get(line) ?? '' }));
      this.#rejected = [...this.#rejected, ...found];
    }
    this.#answered = {
      created: this.#answered.created + created,
      updated: this.#answered.updated + updated,
      unchanged: this.#answered.unchanged + unchanged,
    };
  }
}
