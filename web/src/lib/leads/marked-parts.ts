/**
 * Splits a text into the parts that a search found and the parts between them. Pure.
 *
 * @module
 */
import type { FoundLead, SearchedField } from '../../../../src/shared/schemas/leads.ts';

export interface TextPart {
  text: string;
  isMarked: boolean;
}

/** Where the search was found in a field of a lead. */
export function rangesIn(lead: FoundLead, field: SearchedField): readonly [number, number][] {
  return lead.matched?.find((match) => match.field === field)?.ranges ?? [];
}

/** @param ranges - in order, without overlap; from, and up to which UTF-16 unit */
export function markedParts(text: string, ranges: readonly [number, number][]): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const [from, to] of ranges) {
    parts.push(
      { text: text.slice(end, from), isMarked: false },
      { text: text.slice(from, to), isMarked: true },
    );
    end = to;
  }
  parts.push({ text: text.slice(end), isMarked: false });
  return parts.filter((part) => part.text !== '');
}
