/**
 * One file on its way into the CRM: looked at, its columns chosen, sent, done. Lives as long as the page
 * load, so that the upload goes on while one walks to other pages; a file that was interrupted is known
 * again when it is picked, and goes on where the server says.
 *
 * @module
 */
import type { Import, ImportReading } from '../../../../src/shared/schemas/imports.ts';
import { api, type Answer, type Refusal } from '../api/client.ts';
import { FileFault, FileReader } from './file-reader.ts';
import { chooseField, guessedChoice, mappingOf, type FieldChoice, type MappingChoice } from './mapping.ts';
import type { FileLook } from './read-file.ts';
import { uploadFile } from './upload.ts';

export type FlowPhase = 'idle' | 'looking' | 'mapping' | 'uploading' | 'done';

/** Imports that are looked through for one that this file belongs to. */
const recentImportCount = 100;

export class ImportFlow {
  #phase = $state<FlowPhase>('idle');
  #file = $state.raw<File | null>(null);
  #look = $state.raw<FileLook | null>(null);
  #choice = $state.raw<MappingChoice>({ fields: [], emailColumn: null });
  consentSource = $state('');
  #import = $state.raw<Import | null>(null);
  #endByte = $state(0);
  #isResumed = $state(false);
  #attempt = $state(0);
  #refusal = $state.raw<Refusal | null>(null);
  #fault = $state.raw<FileFault | null>(null);
  #reader: FileReader | null = null;
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
  /** The import as the server last told of it. */
  get import(): Import | null {
    return this.#import;
  }
  /** How much of the file is in, 0 to 100. */
  get percent(): number {
    const size = this.#file?.size ?? 0;
    if (this.#phase === 'done') return 100;
    return size === 0 ? 0 : Math.min(99, Math.floor((this.#endByte / size) * 100));
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
  /** The line that the file cannot be read on from is told; what came before it stays. */
  get canStart(): boolean {
    const hasConsent = this.consentSource.trim() !== '' || this.#choice.fields.includes('consentSource');
    return this.#choice.fields.includes('email') && hasConsent && this.#attempt === 0;
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
    const { encoding, delimiter } = reading;
    const look = await this.#tryLook({ encoding, delimiter, ...change });
    if (look !== null) this.#take(look);
  }

  chooseField(column: number, field: FieldChoice): void {
    this.#choice = chooseField(this.#choice, column, field);
  }
  chooseEmailColumn(column: number | null): void {
    this.#choice = { ...this.#choice, emailColumn: column };
  }

  /** Opens the import and sends the file. */
  async start(): Promise<void> {
    const [file, look] = [this.#file, this.#look];
    if (!this.canStart || file === null || look === null || this.#phase !== 'mapping') return;
    this.#refusal = null;
    this.#attempt = 1;
    const opened = await api.openImport({
      importId: this.#importId,
      fileName: file.name.slice(0, 255) || 'file',
      sizeBytes: file.size,
      headHash: look.headHash,
      columns: look.layout.columns,
      mapping: mappingOf(this.#choice, look.layout.mapping),
      consentSource: this.consentSource.trim(),
      source: '',
      reading: look.reading,
    });
    this.#attempt = 0;
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
    this.#reader = null;
    this.#phase = 'idle';
    this.#file = null;
    this.#look = null;
    this.#import = null;
    this.#endByte = 0;
    this.#isResumed = false;
    this.#attempt = 0;
    this.#refusal = null;
    this.#fault = null;
    this.consentSource = '';
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
    this.#choice = guessedChoice(look.layout);
  }

  async #tryLook(overrides: Partial<ImportReading>): Promise<FileLook | null> {
    try {
      return (await this.#reader?.look(overrides)) ?? null;
    } catch (error) {
      this.#fault = error instanceof FileFault ? error : new FileFault(null);
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
          sent: (now, endByte) => {
            if (stop.signal.aborted) return;
            this.#import = now;
            this.#endByte = endByte;
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
      if (!stop.signal.aborted) this.#fault = error instanceof FileFault ? error : new FileFault(null);
    }
  }
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
