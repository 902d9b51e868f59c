/**
 * Rendering: a template and a recipient in, one mail out, by LiquidJS.
 *
 * Owns what a template may use, and how a mail is put together. Uses no clock, no random numbers, no storage and no
 * network. Invariants: the same input makes the same bytes, today and on a repeat; nothing in a lead's fields is ever
 * markup; a template cannot loop or grow without bound. (It has no loops at all: a Worker's clock stands still while
 * it computes, so a time limit would not stop one.)
 *
 * @module
 */
import { Liquid, type StaticAnalysis, type Template } from 'liquidjs';
import { customFieldPattern, customValue } from '../../shared/custom-fields.ts';
import { limits } from '../../shared/limits.ts';
import { perField } from '../../shared/lead-fields.ts';
import { mergeFields, type FrozenTemplate, type MergeField, type Recipient } from '../../shared/recipient.ts';
import { json, type Json } from '../json.ts';
import type { OutgoingMail } from '../transport.ts';
import { fastRenderer, type EncodedText, type FastRenderer, type Fields } from './fast-render.ts';

/**
 * The input of a mail besides the recipient. Frozen with the session, except the unsubscribe link, which is derived.
 */
export interface MailContext {
  /** The name in the From address. */
  senderName: string;
  /** Where the mail's button leads; null: the mail has none and asks for a reply. */
  actionUrl: string | null;
  /** This recipient's unsubscribe link; null when no public address is configured. */
  unsubscribeUrl: string | null;
  /** Postal address for the footer. */
  postalAddress: string | null;
}

/** What {@link composeMail} adds to the rendered parts. */
export interface MailSettings {
  /** `Name <address>` or an address. */
  from: string;
  replyTo: string | null;
  /** As in {@link MailContext}: the same link goes into the headers. */
  unsubscribeUrl: string | null;
  /** Tags, by which webhooks find the session and the lead. Letters, digits, `_` and `-` only. */
  sessionId: string;
  batchId: string;
}

export interface RenderedContent {
  kind: 'rendered';
  /** One line. */
  subject: string;
  html: string;
  text: string;
}

/** As {@link RenderedContent}, encoded for the body of a call. */
export interface EncodedContent {
  kind: 'encoded';
  subject: Json;
  html: Json;
  text: Json;
  /** A short text that determines `html` and `text`. */
  source: string;
}

/** The faulty part of a template and the reason, for the author. */
export interface TemplateRefusal {
  kind: 'refused';
  part: 'subject' | 'html' | 'text';
  code: 'syntax' | 'unknown_variable' | 'empty_subject' | 'too_large' | 'not_renderable';
  message: string;
}

export interface CompiledTemplate {
  kind: 'compiled';
  /** Variables that the template uses, sorted; custom fields as `custom.name`. */
  readonly variables: readonly string[];
  /** Names of the custom fields among them. */
  readonly customFields: readonly string[];
  /**
   * Renders one mail. Refuses only where this recipient's fields drive the template over a limit
   * or leave the subject empty; that is a failure of this recipient, not of the batch.
   */
  render(recipient: Recipient, context: MailContext): RenderedContent | TemplateRefusal;
  /** Renders one mail as {@link render} does, encoded for the body of a call. */
  encode(recipient: Recipient, context: MailContext): EncodedContent | TemplateRefusal;
}

/**
 * Every name that a template may use beside custom fields (`custom.plan`); all of them are always defined,
 * empty where a lead has no value.
 */
export const templateVariables: readonly TemplateVariable[] = [
  ...mergeFields,
  'senderName',
  'actionUrl',
  'unsubscribeUrl',
  'postalAddress',
];
type TemplateVariable = MergeField | keyof MailContext;

/** Gmail cuts a mail at 102 kB. */
const maxSourceLength = 100_000;
/**
 * Words of Liquid times characters of source. LiquidJS counts the line and column of each variable from the start of
 * the template, so that its analysis of 15,000 small outputs took 9 s; this limit takes a third of a second.
 */
const maxAnalysisWork = 100_000_000;
/** Characters that all steps of one rendering may make together. */
const maxRenderWork = 1_000_000;
/** A hundred mails of this size fit into one call and the object's memory. */
const maxBodyLength = 200_000;
/** RFC 5322 §2.1.1 limits a line to 998 characters. Postmark accepts 2,000. */
const maxSubjectLength = 500;

/** No loops, no files, nothing that keeps state. */
const allowedTags: ReadonlySet<string> = new Set(
  'assign capture case comment echo if raw unless #'.split(' '),
);

/**
 * No dates (`'now' | date`), no random numbers (`sample`), no `raw` (a lead's name must stay text), and nothing that
 * depends on the machine's locale (`sort_natural`).
 */
const allowedFilters: ReadonlySet<string> = new Set(
  (
    'abs append at_least at_most capitalize ceil default divided_by downcase escape escape_once first floor ' +
    'join last lstrip minus modulo normalize_whitespace plus prepend remove remove_first remove_last replace ' +
    'replace_first replace_last round rstrip size slice split squish strip strip_newlines times truncate ' +
    'truncatewords upcase url_encode'
  ).split(' '),
);

/** The part of LiquidJS's `this` in an escape function that is used here. */
interface FilterThis {
  context: { memoryLimit: { use(count: number): void } };
}

/**
 * For subject and text: the value unchanged. Its length counts towards the limit as in the HTML escape; otherwise
 * `capture` could double a text without limit.
 */
function plainOutput(this: FilterThis, value: unknown): string {
  const text = plainText(value);
  this.context.memoryLimit.use(text.length);
  return text;
}

/** Prints as LiquidJS does: arrays without commas, nothing for nil and for its own empty values. */
function plainText(value: unknown): string {
  if (Array.isArray(value)) return value.map(plainText).join('');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

const htmlEngine = createEngine('escape');
const plainEngine = createEngine(plainOutput);

function createEngine(outputEscape: 'escape' | ((value: unknown) => string)): Liquid {
  const engine = new Liquid({
    outputEscape,
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    parseLimit: maxSourceLength,
    memoryLimit: maxRenderWork,
    // The tags that load other templates are removed; this makes sure that none can be loaded.
    templates: {},
  });
  for (const name of Object.keys(engine.tags))
    if (!allowedTags.has(name)) Reflect.deleteProperty(engine.tags, name);
  for (const name of Object.keys(engine.filters))
    if (!allowedFilters.has(name)) Reflect.deleteProperty(engine.filters, name);
  return engine;
}

const parts = ['subject', 'html', 'text'] as const;
type Part = (typeof parts)[number];

interface ParsedPart {
  template: Template[];
  variables: string[];
  /** The fast renderer; where there is none, or it gives null, LiquidJS renders. */
  quick: FastRenderer | null;
}

/**
 * Parses a template, once for all mails of a batch.
 *
 * @returns the compiled template, or which part is at fault: bad syntax, a tag, filter or variable that
 *   does not exist, an empty subject, too long
 */
export function compileTemplate(template: FrozenTemplate): CompiledTemplate | TemplateRefusal {
  const parsed = {} as Record<Part, ParsedPart>;
  for (const part of parts) {
    const result = parsePart(part, template[part]);
    if ('kind' in result) return result;
    parsed[part] = result;
  }
  const variables = [...new Set(parts.flatMap((part) => parsed[part].variables))].sort();
  const customFields = variables.flatMap((name) => customFieldOf(name) ?? []);
  if (customFields.length > limits.maxCustomFieldCount) {
    return refuse(
      'html',
      'unknown_variable',
      `It uses more than ${limits.maxCustomFieldCount} custom fields; no lead has so many.`,
    );
  }

  const renderPart = (part: Part, scope: Fields): string | TemplateRefusal => {
    const engine = part === 'html' ? htmlEngine : plainEngine;
    let output: string;
    try {
      const quick = parsed[part].quick?.render(scope) ?? null;
      // LiquidJS itself refuses a source that is far too long, with a known message.
      const isQuick = quick !== null && quick.length <= maxBodyLength;
      output = (isQuick ? quick : renderWith(engine, parsed[part].template, scope)).toWellFormed();
    } catch (error) {
      return refuse(part, 'not_renderable', liquidMessage(error));
    }
    return output.length > maxBodyLength
      ? refuse(part, 'too_large', `The mail would be longer than ${maxBodyLength} characters.`)
      : output;
  };

  const encodePart = (part: Part, scope: Fields): EncodedText | TemplateRefusal => {
    let quick: EncodedText | null;
    try {
      quick = parsed[part].quick?.encode(scope, maxBodyLength) ?? null;
    } catch (error) {
      return refuse(part, 'not_renderable', liquidMessage(error));
    }
    if (quick !== null) return quick;
    const output = renderPart(part, scope);
    if (typeof output !== 'string') return output;
    const encoded = json(output);
    return { json: encoded, source: encoded };
  };

  return {
    kind: 'compiled',
    variables,
    customFields,
    render(recipient, context) {
      const scope = renderScope(recipient, context, customFields);
      const line = renderPart('subject', scope);
      if (typeof line !== 'string') return line;
      const html = renderPart('html', scope);
      if (typeof html !== 'string') return html;
      const text = renderPart('text', scope);
      if (typeof text !== 'string') return text;
      const subject = subjectOf(line);
      return subject === '' ? emptySubject : { kind: 'rendered', subject, html, text };
    },
    encode(recipient, context) {
      const scope = renderScope(recipient, context, customFields);
      const line = renderPart('subject', scope);
      if (typeof line !== 'string') return line;
      const html = encodePart('html', scope);
      if ('kind' in html) return html;
      const text = encodePart('text', scope);
      if ('kind' in text) return text;
      const subject = subjectOf(line);
      if (subject === '') return emptySubject;
      // Unambiguous: no value has a line end, and the hash of a skeleton says how many values follow it.
      const source = `${html.source}\n${text.source}`;
      return { kind: 'encoded', subject: json(subject), html: html.json, text: text.json, source };
    },
  };
}

/**
 * Puts a mail together from its rendered parts: sender, one-click unsubscribe (RFC 8058) and the tags
 * by which a webhook finds the session, the batch and the lead.
 */
export function composeMail(
  { subject, html, text, source }: Omit<EncodedContent, 'kind'>,
  recipient: Recipient,
  settings: MailSettings,
): OutgoingMail {
  const { from, replyTo, unsubscribeUrl, sessionId, batchId } = settings;
  return {
    from,
    to: recipient.email,
    replyTo,
    subject,
    html,
    text,
    source,
    headers:
      unsubscribeUrl === null
        ? {}
        : {
            'List-Unsubscribe': `<${unsubscribeUrl}>`,
            'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
          },
    tags: { session: sessionId, batch: batchId, lead: String(recipient.leadId) },
  };
}

/**
 * The name in a From address: `Acme <hello@acme.test>` → `Acme`; a bare address → its domain.
 */
export function senderNameOf(from: string): string {
  const name = oneLine(/^([^<]*)</.exec(from)?.[1] ?? '').replace(/^"(.*)"$/, '$1');
  return name !== '' ? name : (/@([^\s>]+)/.exec(from)?.[1] ?? oneLine(from));
}

/** The domain of a From address, in lower case: `Acme <hello@Acme.test>` → `acme.test`. */
export function domainOf(from: string): string {
  return (/@([^\s<>@]+)>?\s*$/.exec(from)?.[1] ?? '').toLowerCase();
}

/** The fields that a template uses, told apart by whether leads have them. A template that does not parse has none. */
export function templateFields(template: Pick<FrozenTemplate, Part>): { known: string[]; unknown: string[] } {
  const fields = new Set(
    parts.flatMap((part) => {
      const parsed = analyzePart(part, template[part]);
      return 'kind' in parsed ? [] : parsed.variables;
    }),
  );
  const sorted = [...fields].sort();
  return {
    known: sorted.filter(isKnown),
    unknown: sorted.filter((name) => !isKnown(name)).map((name) => name.slice(0, 80)),
  };
}

function parsePart(part: Part, source: string): ParsedPart | TemplateRefusal {
  const parsed = analyzePart(part, source);
  if ('kind' in parsed) return parsed;
  const unknown = parsed.variables.find((name) => !isKnown(name));
  return unknown === undefined
    ? parsed
    : refuse(part, 'unknown_variable', `There is no field named “${unknown.slice(0, 80)}”.`);
}

function analyzePart(part: Part, source: string): ParsedPart | TemplateRefusal {
  if (source.length > maxSourceLength) {
    return refuse(part, 'too_large', `The template is longer than ${maxSourceLength} characters.`);
  }
  if (part === 'subject' && source.trim() === '') {
    return refuse(part, 'empty_subject', 'The template has no subject.');
  }
  const engine = part === 'html' ? htmlEngine : plainEngine;
  try {
    const template = engine.parse(source);
    if (liquidWordCount(source) * source.length > maxAnalysisWork) {
      return refuse(part, 'too_large', 'The template uses too many fields for its length.');
    }
    const variables = variablesOf(engine.analyzeSync(template).globals);
    const quick = fastRenderer(
      source,
      variables,
      (fields) => renderWith(engine, template, fields),
      part === 'html' ? escapeHtml : String,
    );
    return { template, variables, quick };
  } catch (error) {
    return refuse(part, 'syntax', liquidMessage(error));
  }
}

const htmlEntities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};

/** As LiquidJS escapes. */
function escapeHtml(text: string): string {
  return /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (character) => htmlEntities[character] ?? '') : text;
}

/** Words between Liquid's delimiters: at least the number of variables. */
function liquidWordCount(source: string): number {
  let wordCount = 0;
  let isInside = false;
  for (const [token] of source.matchAll(/\{[{%]|[%}]\}|\w+/g)) {
    if (token.startsWith('{')) isInside = true;
    else if (token.endsWith('}')) isInside = false;
    else if (isInside) wordCount += 1;
  }
  return wordCount;
}

const knownVariables: ReadonlySet<string> = new Set(templateVariables);

/** `custom.plan` → `plan`; null for everything else. */
function customFieldOf(name: string): string | null {
  const field = name.startsWith('custom.') ? name.slice('custom.'.length) : '';
  return customFieldPattern.test(field) ? field : null;
}

const isKnown = (name: string): boolean => knownVariables.has(name) || customFieldOf(name) !== null;

/** The variables of a part, sorted: by their first name, and custom fields by both of theirs. */
function variablesOf(globals: StaticAnalysis['globals']): string[] {
  const names = Object.entries(globals).flatMap(([root, uses]) =>
    root === 'custom' ? uses.map(({ segments }) => customNameOf(segments)) : [root],
  );
  return [...new Set(names)].sort();
}

/** Only a literal name counts: the field of `custom[firstName]` is not known when fields are frozen. */
function customNameOf(segments: readonly unknown[]): string {
  const [, field] = segments;
  return typeof field === 'string' ? `custom.${field}` : 'custom';
}

/** Fields must be one line: a newline in a name would fake a paragraph, and a blank name would defeat `default`. */
function renderScope(recipient: Recipient, context: MailContext, customFields: readonly string[]): Fields {
  const fields: Record<TemplateVariable, string> = {
    // Missing in a recipient that was frozen before the field was added.
    ...perField(mergeFields, (field) => oneLine((recipient as Partial<Recipient>)[field] ?? '')),
    senderName: oneLine(context.senderName),
    actionUrl: oneLine(context.actionUrl ?? ''),
    unsubscribeUrl: oneLine(context.unsubscribeUrl ?? ''),
    postalAddress: oneLine(context.postalAddress ?? ''),
  };
  if (customFields.length === 0) return fields;
  const custom = customFields.map((name): [string, string] => [
    `custom.${name}`,
    oneLine(customValue(recipient.custom, name)),
  ]);
  return { ...fields, ...Object.fromEntries(custom) };
}

/** Renders one part with LiquidJS, in which `custom.plan` is a property of an object. */
function renderWith(engine: Liquid, template: Template[], fields: Fields): string {
  const custom: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    const field = customFieldOf(name);
    if (field !== null) custom[field] = value;
  }
  return String(engine.renderSync(template, { ...fields, custom }));
}

/** One line: every sequence of white space and control characters becomes a space. */
function oneLine(text: string): string {
  // Most fields are ASCII words with single spaces and need no check for Unicode space.
  return plainWords.test(text) ? text : text.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
}

const subjectOf = (line: string): string => oneLine(line).slice(0, maxSubjectLength).toWellFormed();

const emptySubject = refuse('subject', 'empty_subject', 'The subject comes out empty.');

const plainWords = /^(?:[!-~]+(?: [!-~]+)*)?$/;

function refuse(part: Part, code: TemplateRefusal['code'], message: string): TemplateRefusal {
  return { kind: 'refused', part, code, message };
}

/** LiquidJS names the fault and its place in the first line and quotes the template below it. */
function liquidMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split('\n')[0] ?? '').slice(0, 300);
}
