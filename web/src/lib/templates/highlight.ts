/**
 * Splits a template's source into parts that are coloured: HTML tags, attributes and comments, Liquid outputs and
 * tags. Pure.
 *
 * Invariant: the parts joined are the source, whatever it is.
 *
 * @module
 */
export type PartKind = 'text' | 'tag' | 'string' | 'comment' | 'output' | 'logic';

export interface SourcePart {
  kind: PartKind;
  text: string;
}

/** Beyond this, colours would cost more than a key may take; the source is shown plain. */
export const maxHighlightLength = 60_000;

const outer =
  /(\{\{[\s\S]*?(?:\}\}|$))|(\{%[\s\S]*?(?:%\}|$))|(<!--[\s\S]*?(?:-->|$))|(<\/?[a-zA-Z!][^<>{]*)|(>)/g;
const quoted = /"[^"]*"?|'[^']*'?/g;

export function highlight(source: string): SourcePart[] {
  if (source.length > maxHighlightLength) return [{ kind: 'text', text: source }];
  const parts: SourcePart[] = [];
  const push = (kind: PartKind, text: string): void => {
    const last = parts.at(-1);
    if (text === '') return;
    if (last?.kind === kind) last.text += text;
    else parts.push({ kind, text });
  };
  let at = 0;
  /** Inside a tag that an output has cut in two, attributes go on. */
  let isInTag = false;
  const between = (text: string): void => (isInTag ? pushTag(text) : push('text', text));
  const pushTag = (text: string): void => {
    let from = 0;
    for (const match of text.matchAll(quoted)) {
      push('tag', text.slice(from, match.index));
      push('string', match[0]);
      from = match.index + match[0].length;
    }
    push('tag', text.slice(from));
  };
  for (const match of source.matchAll(outer)) {
    between(source.slice(at, match.index));
    const [whole, output, logic, comment, tag] = match;
    at = match.index + whole.length;
    if (output !== undefined) push('output', whole);
    else if (logic !== undefined) push('logic', whole);
    else if (comment !== undefined) push('comment', whole);
    else if (tag !== undefined) {
      isInTag = true;
      pushTag(whole);
    } else {
      push(isInTag ? 'tag' : 'text', whole);
      isInTag = false;
    }
  }
  between(source.slice(at));
  return parts;
}
