/**
 * One check of a file: the browser goes through all rows, and the server says of the first
 * leads (`maxServerCheckCount`) how many would be created, updated and left as they are. Writes nothing.
 *
 * @module
 */
import type { ColumnMapping } from '../../../../src/shared/imports/import-file.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';
import { api, type Refusal } from '../api/client.ts';
import type { FileReport } from './check-file.ts';
import { FileReader } from './file-reader.ts';
import { forecast, type Forecast } from './forecast.ts';

export class CheckRun {
  readonly mapping: ColumnMapping;
  readonly #reading: ImportReading;
  readonly #consentSource: string;
  readonly #reader: FileReader;
  #report = $state.raw<FileReport | null>(null);
  #answered = $state.raw({ created: 0, updated: 0, unchanged: 0 });
  #isDone = $state(false);
  #refusal = $state.raw<Refusal | null>(null);
  #isStopped = false;

  constructor(file: File, spec: { reading: ImportReading; mapping: ColumnMapping; consentSource: string }) {
    this.mapping = spec.mapping;
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
        this.#report = report;
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
    const answer = await api.checkImport(
      `{"mapping":${mapping},"consentSource":${consentSource},"rows":${rowsJson}}`,
    );
    if (!answer.ok) {
      this.#refusal = answer.refusal;
      return;
    }
    const { created, updated, unchanged } = answer.value;
    this.#answered = {
      created: this.#answered.created + created,
      updated: this.#answered.updated + updated,
      unchanged: this.#answered.unchanged + unchanged,
    };
  }
}
