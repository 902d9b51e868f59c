/**
 * Checks that the lines of a receipt are those that were signed, and names what was done to them if they are not.
 *
 * Gets the lines one by one and keeps only what it needs of the last one. After the first wrong line it reads on to see
 * which kind of change it was: a changed, missing, swapped or foreign line, or a file that was cut off.
 * Owns no meaning of a line; that is claims.ts. Pure: hash and signature check are arguments.
 *
 * @module
 */
import { canonicalJson } from '../../../src/shared/canonical-json.ts';
import {
  lineHash,
  receiptName,
  receiptVersion,
  signedText,
  thumbprintText,
  type ChainedLine,
  type ReceiptLine,
  type Sha256,
  type SignatureLine,
} from '../../../src/shared/receipt.ts';

export interface Crypto {
  sha256: Sha256;
  /** Whether an Ed25519 signature of a text fits; all as base64url. */
  isSigned(publicKey: string, text: string, signature: string): boolean;
}

export type FaultKind = 'changed' | 'dropped' | 'swapped' | 'spliced' | 'truncated' | 'unsupported';

/** What was done to the file. */
export interface Fault {
  kind: FaultKind;
  /** The line of the file where it shows, from 1 on. */
  line: number;
  message: string;
}

/** A wrong line, and what is needed of it to tell why. */
interface Wrong {
  line: number;
  /** The number in the line; null where it cannot be read. */
  n: number | null;
  isForeign: boolean;
  hash: string | null;
  text: string;
  isComplete: boolean;
  /** Signed as what it is, so only its own place or name was changed. */
  isSigned: boolean;
}

export class ChainCheck {
  readonly #crypto: Crypto;
  #line = 0;
  #hash: string | null = null;
  #name: string | null = null;
  #signature: SignatureLine | null = null;
  #version: number | null = null;
  #wrong: Wrong | null = null;
  /** Of the line behind the wrong one. */
  #next: { n: number | null; isForeign: boolean; isLinked: boolean } | null = null;
  /** The number that was expected at the wrong line comes later. */
  #isLater = false;

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  get signature(): SignatureLine | null {
    return this.#signature;
  }

  get lineCount(): number {
    return this.#line;
  }

  /**
   * Takes the next line.
   *
   * @param text - without its line end
   * @param isComplete - it has a line end; only the last line of a file may lack it
   * @returns the line while the chain holds, else null
   */
  add(text: string, isComplete: boolean): ReceiptLine | null {
    this.#line++;
    if (this.#wrong !== null) {
      this.#readOn(this.#wrong, text);
      return null;
    }
    const line = parseLine(text);
    if (line !== null && isComplete && this.#isNext(line)) {
      if (line.kind === 'receipt') {
        this.#version = line.version;
        this.#name = receiptName(line.hash);
      }
      if (line.kind === 'signature') this.#signature = line;
      else this.#hash = line.hash;
      return line;
    }
    this.#wrong = {
      line: this.#line,
      n: line?.n ?? null,
      isForeign: line !== null && this.#isForeign(line),
      hash: line === null || line.kind === 'signature' ? null : line.hash,
      text,
      isComplete,
      isSigned: line?.kind === 'signature' && this.#isSigned(this.#hash, line),
    };
    return null;
  }

  /** What is wrong with the file, or null. Call it after the last line. */
  fault(): Fault | null {
    const wrong = this.#wrong;
    if (wrong !== null) return this.#classify(wrong);
    if (this.#signature === null) {
      return {
        kind: 'truncated',
        line: this.#line,
        message:
          this.#line === 0
            ? 'The file is empty.'
            : `The file was cut off: it ends after line ${this.#line}, without a signature.`,
      };
    }
    return null;
  }

  #isNext(line: ReceiptLine): boolean {
    if (this.#signature !== null || line.n !== this.#line) return false;
    if ((line.kind === 'receipt') !== (this.#line === 1)) return false;
    if (line.kind !== 'receipt' && line.of !== this.#name) return false;
    return this.#follows(this.#hash, line);
  }

  #isLinked(hash: string | null, line: ChainedLine): boolean {
    try {
      return lineHash(hash, line, this.#crypto.sha256) === line.hash;
    } catch {
      // A changed line may have another form than its kind.
      return false;
    }
  }

  /** True for the signature of a receipt whose last line has this hash. */
  #isSigned(hash: string | null, line: SignatureLine): boolean {
    const { keyId, publicKey, signature } = line;
    // Somebody else may have written another one.
    const algorithm: string = line.algorithm;
    return (
      algorithm === 'Ed25519' &&
      hash !== null &&
      keyId === this.#crypto.sha256(thumbprintText(publicKey)) &&
      this.#crypto.isSigned(publicKey, signedText(hash), signature)
    );
  }

  /** True for a line that follows a line with this hash. */
  #follows(hash: string | null, line: ReceiptLine): boolean {
    return line.kind === 'signature' ? this.#isSigned(hash, line) : this.#isLinked(hash, line);
  }

  #isForeign(line: ReceiptLine): boolean {
    return line.kind === 'receipt' ? this.#line > 1 : this.#name !== null && line.of !== this.#name;
  }

  #readOn(wrong: Wrong, text: string): void {
    const n = /"n":(\d{1,15})[,}]/.exec(text)?.[1];
    if (n !== undefined && Number(n) === wrong.line) this.#isLater = true;
    if (this.#next !== null) return;
    const line = parseLine(text);
    this.#next = {
      n: line?.n ?? null,
      isForeign: line !== null && this.#isForeign(line),
      isLinked: line !== null && wrong.hash !== null && this.#follows(wrong.hash, line),
    };
  }

  #classify(wrong: Wrong): Fault {
    const { line, n } = wrong;
    const fault = (kind: FaultKind, message: string): Fault => ({ kind, line, message });
    const changed = (message = `Line ${line} was changed.`): Fault => fault('changed', message);
    const isLast = this.#line === line;
    if (this.#signature !== null) {
      return fault('spliced', `Line ${line} stands behind the signature, where a receipt ends.`);
    }
    if (line > 1 && this.#version !== null && this.#version !== receiptVersion) {
      return fault(
        'unsupported',
        `The receipt has the form ${this.#version}, which this verifier does not know.`,
      );
    }
    if (isLast && !wrong.isComplete && parseLine(wrong.text.slice(0, -1)) === null) {
      return fault('truncated', `The file was cut off in line ${line}.`);
    }
    if (n === null) {
      return changed(
        wrong.text.endsWith('\r')
          ? `Line ${line} was changed: some program has changed the line ends of the file.`
          : `Line ${line} was changed: it is not a line of a receipt any more.`,
      );
    }
    if (wrong.isSigned) return changed();
    const next = this.#next;
    // The line behind it is the right one, so only this one is wrong.
    const isBeforeItsNext = next !== null && !next.isForeign && next.n === line + 1;
    if (wrong.isForeign) {
      return isBeforeItsNext && next.isLinked
        ? changed()
        : fault('spliced', `Line ${line} does not belong to this receipt.`);
    }
    if (n === line) return changed();
    if (n > line) {
      if (this.#isLater) {
        return fault(
          'swapped',
          `Lines were put into another order: line ${line} of the receipt stands later.`,
        );
      }
      if (isBeforeItsNext) return changed();
      return fault(
        'dropped',
        n === line + 1 ? `Line ${line} is missing.` : `Lines ${line} to ${n - 1} are missing.`,
      );
    }
    if (isBeforeItsNext) return changed();
    return fault('spliced', `Line ${n} of the receipt stands a second time, as line ${line}.`);
  }
}

/** A line in exactly the form in which it is written; null for anything else. */
function parseLine(text: string): ReceiptLine | null {
  try {
    const line = JSON.parse(text) as Partial<ReceiptLine> | null;
    if (typeof line !== 'object' || line === null) return null;
    if (typeof line.n !== 'number' || typeof line.kind !== 'string') return null;
    return canonicalJson(line) === text ? (line as ReceiptLine) : null;
  } catch {
    return null;
  }
}
