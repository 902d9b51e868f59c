/**
 * Takes a person out of a receipt that was handed out: their leaf stays, so that everything else still verifies.
 *
 * @module
 */
import { canonicalJson } from '../../../src/shared/canonical-json.ts';
import { leafOf, type ReceiptLine, type SealedMember } from '../../../src/shared/receipt.ts';
import { readLines } from './lines.ts';
import { hashAddress, nodeCrypto } from './verify.ts';

export interface RedactOptions {
  file: string;
  addressKey: string | null;
  person: string | null;
  leadId: number | null;
}

/**
 * Writes the receipt without the person.
 *
 * @returns how many places the person was taken out of
 */
export async function redact(
  { file, addressKey, person, leadId }: RedactOptions,
  write: (text: string) => Promise<void>,
): Promise<number> {
  const hash = person === null || addressKey === null ? null : hashAddress(addressKey, person);
  let count = 0;
  for (const { text, isComplete } of readLines(file)) {
    if (text === null) throw new Error(`${file} is not UTF-8, so it is no receipt.`);
    const line = JSON.parse(text) as ReceiptLine;
    if (line.kind === 'batch') {
      const members = line.members.map((member, index): SealedMember => {
        if (typeof member !== 'object' || member === null) return member;
        if (line.leads[index] !== leadId && member[1] !== hash) return member;
        count++;
        return leafOf(member, nodeCrypto.sha256);
      });
      await write(`${canonicalJson({ ...line, members })}\n`);
    } else await write(isComplete ? `${text}\n` : text);
  }
  return count;
}
