/**
 * One file on its way into the CRM: looked at, matched, checked, sent, done. Lives as long as the page load, so
 * that the upload goes on while a person walks to other pages. A file that was interrupted is known again when
 * it is picked, and goes on where the server says.
 *
 * Does not read the file (`file-reader.ts`) and does not decide when to send again (`upload.ts`).
 *
 * @module
 */
import type { Import, ImportReading } from '../../../../src/shared/schemas/imports.ts';
import { api, type Answer, type Refusal } from '../api/client.ts';
import { CheckRun } from './check-run.svelte.ts';
import { FileFault, FileReader } from './file-reader.ts';
import {
  chooseField,
  externalSourceOf,
  mappingOf,
  mappingProblems,
  suggestedChoice,
  type FieldChoice,
  type MappingChoice,
  type MappingProblem,
} from './mapping.ts';
import type { FileLook } from './read-file.ts';
import { rememberChoice, rememberedChoice } from './remembered-mappings.ts';
import { takenRowCount, uploadFile } from './upload.ts';

export type FlowPhase = 'idle' | 'looking' | 'mapping' | 'checking' | 'uploading' | 'done';

/** Imports that are looked through for one that this file belongs to. */
const recentImportCount = 100;

const asFault = (error: unknown): FileFault => (error instanceof FileFault ? error : new FileFault(null));

export class ImportFlow {
  #phase = $state<FlowPhase>('idle');
  #file = $state.raw<File | null>(null);
  #look = $state.raw<FileLook | null>(null);
  #choice = $state.raw<MappingChoice>({ fields: [], emailColumn: null, externalSource: '' });
  consentSource = $state('');
  #import = $state.raw<Import | null>(null);
  #rowCount = $state<number | null>(null);
  #check = $state.raw<CheckRun | null>(null);
  #isRemembered = $state(false);
  #isResumed = $state(false);
  #isEndSeen = $state(false);
  #attempt = $state(0);
  #refusal = $state.raw<Refusal | null>(null);
  #fault = $state.raw<FileFault | null>(null);
  #reader: FileReader | null = null;
  #counter: FileReader | null = null;
  #stop: AbortController | null = null;
  /** The import that this file opens: the same however often it is asked for. */
  #importId = '';

  get phase(): FlowPhase {
    return this.#phase;
  }
  get file(): File | null {
    return this.#file;
  }
  get look(): FileLook | null {
    return this.#look;
  }
  get choice(): MappingChoice {
    return this.#choice;
  }
  /** The mapping is the one that a file with these columns had last. */
  get isRemembered(): boolean {
    return this.#isRemembered;
  }
  /** The import as the server last told of it. */
  get import(): Import | null {
    return this.#import;
  }
  /** Rows of the file below its header; null until they are counted. */
  get rowCount(): number | null {
    return this.#rowCount;
  }
  get takenCount(): number {
    return this.#import === null ? 0 : takenRowCount(this.#import.counts);
  }
  get check(): CheckRun | null {
    return this.#check;
  }
  /** The file was known: part of it was in before. */
  get isResumed(): boolean {
    return this.#isResumed;
  }
  /** 0, or how often the server has not answered by now. */
  get attempt(): number {
    return this.#attempt;
  }
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  /** Why the file cannot be read on. */
  get fault(): FileFault | null {
    return this.#fault;
  }
  /** Its end was told for long enough on other pages. */
  get isEndSeen(): boolean {
    return this.#isEndSeen;
  }
  /** Rows are being sent now: not stopped by a refusal or by the file itself. */
  get isSending(): boolean {
    return this.#phase === 'uploading' && this.#refusal === null && this.#fault === null;
  }
  get problems(): MappingProblem[] {
    return mappingProblems(this.#choice, this.consentSource);
  }

  seeEnd(): void {
    this.#isEndSeen = true;
  }

  /** Looks at a file; goes on at once where it is one that was interrupted. */
  async pick(file: File): Promise<void> {
    this.reset();
    this.#file = file;
    this.#phase = 'looking';
    this.#importId = `import_${Date.now()}_${crypto.randomUUID().slice(0, 8)}`;
    const reader = new FileReader(file);
    this.#reader = reader;
    const look = await this.#tryLook({});
    if (look === null || this.#reader !== reader) return;
    const known = await findInterrupted(file, look);
    if (this.#reader !== reader) return;
    if (known !== null && known.reading !== null) {
      this.#isResumed = true;
      this.consentSource = known.consentSource;
      void this.#count(known.reading);
      await this.#send(known, known.reading);
      return;
    }
    this.#take(look);
    this.#phase = 'mapping';
  }

  /** Reads the file in another way than was guessed. */
  async reread(change: Partial<ImportReading>): Promise<void> {
    const reading = this.#look?.reading;
    if (this.#phase !== 'mapping' || reading === undefined) return;
    // What the change makes of the header is found out anew.
    const { encoding, delimiter, sheet } = reading;
    const kept = { encoding, delimiter, ...(sheet === undefined ? {} : { sheet }) };
    const look = await this.#tryLook({ ...kept, ...change });
    if (look !== null) this.#take(look);
  }

  chooseField(column: number, field: FieldChoice): void {
    this.#choice = chooseField(this.#choice, column, field);
    this.#isRemembered = false;
  }
  chooseEmailColumn(column: number | null): void {
    this.#choice = { ...this.#choice, emailColumn: column };
  }
  nameExternalSource(externalSource: string): void {
    this.#choice = { ...this.#choice, externalSource };
  }

  /** Goes through the file and asks the server, without writing anything. */
  async startCheck(): Promise<void> {
    const [file, look] = [this.#file, this.#look];
    if (this.problems.length > 0 || file === null || look === null || this.#phase !== 'mapping') return;
    if (look.layout.hasHeader) rememberChoice(localStorage, look.layout.columns, this.#choice);
    this.#counter?.close();
    this.#phase = 'checking';
    this.#refusal = null;
    const check = new CheckRun(file, {
      reading: look.reading,
      mapping: mappingOf(this.#choice, look.layout.mapping),
      consentSource: this.consentSource.trim(),
      externalSource: externalSourceOf(this.#choice),
    });
    this.#check = check;
    try {
      await check.run();
      if (this.#check === check) this.#rowCount = check.report?.rowCount ?? null;
    } catch (error) {
      if (this.#check === check) this.#fault = asFault(error);
    }
  }

  /** From the check back to the columns. */
  backToMapping(): void {
    if (this.#phase !== 'checking') return;
    this.#check?.stop();
    this.#check = null;
    this.#refusal = null;
    this.#phase = 'mapping';
  }

  /** Opens the import and sends the file. */
  async start(): Promise<void> {
    const [file, look, check] = [this.#file, this.#look, this.#check];
    if (file === null || look === null || check === null || !check.canImport) return;
    if (this.#phase !== 'checking' || this.#attempt > 0) return;
    this.#refusal = null;
    this.#attempt = 1;
    const opened = await api.openImport({
      importId: this.#importId,
      fileName: file.name.slice(0, 255) || 'file',
      sizeBytes: file.size,
      headHash: look.headHash,
      columns: look.layout.columns,
      mapping: check.mapping,
      consentSource: this.consentSource.trim(),
      source: '',
      externalSource: check.externalSource,
      reading: look.reading,
    });
    this.#attempt = 0;
    if (this.#check !== check) return;
    if (!opened.ok) {
      this.#refusal = opened.refusal;
      return;
    }
    await this.#send(opened.value, look.reading);
  }

  /** Lets go of the file. What is in stays in; the file can be picked again to go on. */
  reset(): void {
    this.#stop?.abort();
    this.#reader?.close();
    this.#counter?.close();
    this.#check?.stop();
    this.#reader = null;
    this.#check = null;
    this.#phase = 'idle';
    this.#file = null;
    this.#look = null;
    this.#import = null;
    this.#rowCount = null;
    this.#isRemembered = false;
    this.#isResumed = false;
    this.#isEndSeen = false;
    this.#attempt = 0;
    this.#refusal = null;
    this.#fault = null;
    this.consentSource = '';
    stopWarning();
  }

  /** After a refusal: once more from where the server is. */
  async goOn(): Promise<void> {
    const known = this.#import;
    if (known?.reading == null) return;
    const now = await api.import(known.importId);
    if (now.ok) await this.#send(now.value, known.reading);
    else this.#refusal = now.refusal;
  }

  #take(look: FileLook): void {
    this.#look = look;
    const remembered = look.layout.hasHeader ? rememberedChoice(localStorage, look.layout.columns) : null;
    this.#isRemembered = remembered !== null;
    this.#choice = remembered ?? suggestedChoice(look.layout, look.rows);
    void this.#count(look.reading);
  }

  /** Counts the rows beside everything else; a file that cannot be read on says so when it is checked. */
  async #count(reading: ImportReading): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    this.#counter?.close();
    const counter = new FileReader(file);
    this.#counter = counter;
    this.#rowCount = null;
    try {
      const count = await counter.count(reading);
      if (this.#counter === counter) this.#rowCount = count;
    } catch {
      // Left uncounted.
    } finally {
      counter.close();
    }
  }

  async #tryLook(overrides: Partial<ImportReading>): Promise<FileLook | null> {
    try {
      return (await this.#reader?.look(overrides)) ?? null;
    } catch (error) {
      this.#fault = asFault(error);
      return null;
    }
  }

  async #send(from: Import, reading: ImportReading): Promise<void> {
    const reader = this.#reader;
    if (reader === null) return;
    this.#phase = 'uploading';
    this.#import = from;
    this.#refusal = null;
    const stop = new AbortController();
    this.#stop = stop;
    window.addEventListener('beforeunload', warn);
    try {
      const outcome = await uploadFile(
        from,
        {
          chunks: (line) => reader.chunks(reading, line, from.mapping),
          put: (seq, body) => api.putChunk(from.importId, seq, body),
          finish: (): Promise<Answer<Import>> => api.finishImport(from.importId),
          wait: (delayMs) => untilOnline(delayMs, stop.signal),
        },
        {
          sent: (now) => {
            if (!stop.signal.aborted) this.#import = now;
          },
          retrying: (attempt) => {
            if (!stop.signal.aborted) this.#attempt = attempt;
          },
        },
        stop.signal,
      );
      if (stop.signal.aborted) return;
      if (outcome.kind === 'refused') this.#refusal = outcome.refusal;
      if (outcome.kind === 'done') {
        this.#import = outcome.import;
        this.#phase = 'done';
        reader.close();
      }
    } catch (error) {
      if (!stop.signal.aborted) this.#fault = asFault(error);
    } finally {
      if (this.#stop === stop) stopWarning();
    }
  }
}

/** Closing the tab stops the upload; the browser asks first. */
function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
function stopWarning(): void {
  window.removeEventListener('beforeunload', warn);
}

/** The interrupted import that this file is the file of: by name, size and beginning. */
async function findInterrupted(file: File, look: FileLook): Promise<Import | null> {
  const recent = await api.imports({ limit: recentImportCount });
  if (!recent.ok) return null;
  return (
    recent.value.imports.find(
      (it) =>
        it.state === 'open' &&
        it.fileName === file.name.slice(0, 255) &&
        it.sizeBytes === file.size &&
        it.headHash === look.headHash,
    ) ?? null
  );
}

/** Waits; a connection that comes back ends the wait. */
function untilOnline(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      window.removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    window.addEventListener('online', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
