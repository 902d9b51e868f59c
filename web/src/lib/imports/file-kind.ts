/**
 * What a chosen file is, from its first bytes and its name: text that can be read, an Excel workbook, or
 * something that is refused in words.
 *
 * Pure. Does not read the file itself. The bytes decide before the name: a renamed file is still what it is.
 *
 * @module
 */

export type RefusedKind =
  'xls' | 'ods' | 'numbers' | 'pdf' | 'word' | 'archive' | 'image' | 'encrypted' | 'too_large' | 'damaged';

export type FileKind = { kind: 'text' } | { kind: 'xlsx' } | { kind: 'refused'; why: RefusedKind };

/** The file is of a kind that is not read; why. */
export class RefusedFile extends Error {
  readonly why: RefusedKind;

  constructor(why: RefusedKind) {
    super(why);
    this.why = why;
  }
}

const startsWith = (head: Uint8Array, bytes: readonly number[]): boolean =>
  bytes.every((byte, at) => head[at] === byte);

const ascii = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));

/** Bytes of the head that are needed: a ZIP's first entry name and an OLE file's directory are within. */
export const kindHeadByteCount = 8_192;

/** @param head - the first {@link kindHeadByteCount} bytes */
export function fileKind(name: string, head: Uint8Array): FileKind {
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  const refused = (why: RefusedKind): FileKind => ({ kind: 'refused', why });
  if (startsWith(head, ascii('%PDF'))) return refused('pdf');
  if (startsWith(head, [0x89, ...ascii('PNG')]) || startsWith(head, [0xff, 0xd8, 0xff]))
    return refused('image');
  if (startsWith(head, ascii('GIF8'))) return refused('image');
  if (
    startsWith(head, [0x1f, 0x8b]) ||
    startsWith(head, ascii('Rar!')) ||
    startsWith(head, ascii('7z\xbc\xaf'))
  )
    return refused('archive');
  // An OLE container: an old workbook, or a new one with a password ([MS-OFFCRYPTO] 2.3.4.5).
  if (startsWith(head, [0xd0, 0xcf, 0x11, 0xe0])) {
    const isXlsx = ending === 'xlsx' || ending === 'xlsm';
    return refused(isXlsx ? 'encrypted' : ending === 'doc' ? 'word' : 'xls');
  }
  if (startsWith(head, ascii('PK\x03\x04')) || startsWith(head, ascii('PK\x05\x06')))
    return zipKind(ending, head);
  if (ending === 'xlsx' || ending === 'xlsm') return refused('damaged');
  return { kind: 'text' };
}

function zipKind(ending: string, head: Uint8Array): FileKind {
  const text = new TextDecoder('latin1').decode(head);
  if (text.includes('opendocument') || ending === 'ods') return { kind: 'refused', why: 'ods' };
  if (ending === 'numbers' || text.includes('Index/Document.iwa')) return { kind: 'refused', why: 'numbers' };
  if (ending === 'docx') return { kind: 'refused', why: 'word' };
  if (ending === 'xlsx' || ending === 'xlsm' || text.includes('[Content_Types].xml')) return { kind: 'xlsx' };
  return { kind: 'refused', why: 'archive' };
}
