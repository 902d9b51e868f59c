/**
 * The list of a ZIP file's parts, read from its central directory (APPNOTE.TXT 4.3.12), and one small part.
 *
 * Owns the bound on what a workbook may unpack to. Does not unpack sheets; the workbook reader does, and stops
 * at the sizes that are declared here.
 *
 * @module
 */

export interface ZipPart {
  name: string;
  method: number;
  /** Bytes in the file, and unpacked. */
  packedSize: number;
  size: number;
  isEncrypted: boolean;
  /** Where its local header is. */
  offset: number;
}

const endSignature = 0x06054b50;
const partSignature = 0x02014b50;
const zip64 = 0xffffffff;
/** A directory's end is followed by a comment of up to 65,535 bytes. */
const maxEndDistance = 22 + 65_535;

/** The parts, or null where the bytes are no whole ZIP file, or one of more than 4 GB. */
export function zipParts(bytes: Uint8Array): ZipPart[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  const last = Math.max(0, bytes.length - maxEndDistance);
  while (end >= last && view.getUint32(end, true) !== endSignature) end -= 1;
  if (end < last) return null;
  const parts: ZipPart[] = [];
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== partSignature) return null;
    const nameLength = view.getUint16(at + 28, true);
    const part = {
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength)),
      method: view.getUint16(at + 10, true),
      packedSize: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      isEncrypted: (view.getUint16(at + 8, true) & 1) === 1,
      offset: view.getUint32(at + 42, true),
    };
    if (part.size === zip64 || part.packedSize === zip64 || part.offset === zip64) return null;
    parts.push(part);
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return parts;
}

/** The text of one part; null where it is longer than it says, or packed in a way that is not known. */
export async function zipText(bytes: Uint8Array, part: ZipPart): Promise<string | null> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (part.offset + 30 > bytes.length) return null;
  const start =
    part.offset + 30 + view.getUint16(part.offset + 26, true) + view.getUint16(part.offset + 28, true);
  const packed = bytes.slice(start, start + part.packedSize);
  if (part.method === 0) return new TextDecoder().decode(packed);
  if (part.method !== 8) return null;
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const decoder = new TextDecoder();
  let [text, size] = ['', 0];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      size += value.length;
      if (size > part.size) return null;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    return null;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
