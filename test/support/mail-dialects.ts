/**
 * What each mail provider's API reads and answers, as far as our calls use it: for the fake mail API of the workerd
 * tests, and for the unit tests that all providers share.
 *
 * Owns the forms of requests and answers, from each provider's documentation. A provider that renders templates does so
 * here. Does not decide what is taken and keeps no state. A request that the provider would not understand throws.
 *
 * @module
 */

/** A mail as its recipient gets it. */
export interface ReceivedMail {
  from: string;
  to: string;
  replyTo: string | null;
  subject: string;
  html: string;
  text: string;
  headers: Record<string, string>;
  tags: Record<string, string>;
}

/** What became of one mail of a call. */
export type MailVerdict = { kind: 'taken'; id: string } | { kind: 'refused' } | { kind: 'later' };

export interface ApiAnswer {
  status: number;
  /** JSON, or a text; not set: no body. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface MailDialect {
  /** As in `MAIL_PROVIDER`. */
  name: string;
  /** Settings with which the product uses it, besides those that all providers share. */
  env: Partial<Record<string, string>>;
  apiKey: string;
  handles(path: string): boolean;
  /** The mails of a call, rendered. */
  read(body: string, contentType: string): ReceivedMail[];
  /** True: each mail is taken or refused on its own. */
  answersEach: boolean;
  /** The answer to a call; without {@link answersEach} all mails are taken. */
  answer(verdicts: readonly MailVerdict[]): ApiAnswer;
  /** Refuses a whole call for its content. */
  refusal: ApiAnswer;
  /** The account makes too many calls. */
  tooFast: ApiAnswer;
  /** The key is wrong. */
  unauthorized: ApiAnswer;
}

type Fields = Record<string, unknown>;

const fields = (value: unknown): Fields => {
  if (typeof value !== 'object' || value === null) throw new Error('The API wants an object.');
  return value as Fields;
};
const list = (value: unknown): unknown[] => {
  if (!Array.isArray(value)) throw new Error('The API wants a list.');
  return value;
};
const text = (value: unknown): string => {
  if (typeof value !== 'string') throw new Error('The API wants a text.');
  return value;
};
const optional = (value: unknown): string | null => (value === undefined ? null : text(value));
const record = (value: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(fields(value)).map(([name, one]) => [name, text(one)]));
/** A list of pairs as an object. */
const pairs = (value: unknown, name: string, of: string): Record<string, string> =>
  Object.fromEntries(list(value).map((pair) => [text(fields(pair)[name]), text(fields(pair)[of])]));
const only = (value: unknown): unknown => {
  const [one, ...others] = list(value);
  if (one === undefined || others.length > 0) throw new Error('Our mails have one recipient.');
  return one;
};

/** Replaces placeholders once; a value is not looked into. */
function render(template: string, placeholder: RegExp, values: Fields): string {
  return template.replaceAll(placeholder, (_, name: string) => {
    const value = values[name];
    if (typeof value !== 'string') throw new Error(`The template has no value for ${name}.`);
    return value;
  });
}

const idsOf = (verdicts: readonly MailVerdict[]): string[] =>
  verdicts.map((verdict) => {
    if (verdict.kind !== 'taken') throw new Error('This API takes all mails of a call or none.');
    return verdict.id;
  });

const resend: MailDialect = {
  name: 'resend',
  env: {},
  apiKey: 're_test_key',
  handles: (path) => path === '/emails/batch',
  read: (body) =>
    list(JSON.parse(body)).map((one) => {
      const mail = fields(one);
      return {
        from: text(mail['from']),
        to: text(only(mail['to'])),
        replyTo: optional(mail['reply_to']),
        subject: text(mail['subject']),
        html: text(mail['html']),
        text: text(mail['text']),
        headers: record(mail['headers']),
        tags: pairs(mail['tags'], 'name', 'value'),
      };
    }),
  answersEach: false,
  answer: (verdicts) => ({ status: 200, body: { data: idsOf(verdicts).map((id) => ({ id })) } }),
  refusal: { status: 422, body: { name: 'validation_error', message: 'Invalid `to` field.' } },
  tooFast: { status: 429, body: { name: 'rate_limit_exceeded', message: 'Too many requests.' } },
  unauthorized: { status: 401, body: { name: 'missing_api_key', message: 'Key.' } },
};

const postmarkResults = {
  refused: { ErrorCode: 406, Message: 'Inactive recipient.' },
  later: { ErrorCode: 429, Message: 'Rate limit exceeded.' },
};

const postmark: MailDialect = {
  name: 'postmark',
  env: {},
  apiKey: 'server-token',
  handles: (path) => path === '/email/batch',
  read: (body) =>
    list(JSON.parse(body)).map((one) => {
      const mail = fields(one);
      return {
        from: text(mail['From']),
        to: text(mail['To']),
        replyTo: optional(mail['ReplyTo']),
        subject: text(mail['Subject']),
        html: text(mail['HtmlBody']),
        text: text(mail['TextBody']),
        headers: pairs(mail['Headers'], 'Name', 'Value'),
        tags: record(mail['Metadata']),
      };
    }),
  answersEach: true,
  answer: (verdicts) => ({
    status: 200,
    body: verdicts.map((verdict) =>
      verdict.kind === 'taken'
        ? { ErrorCode: 0, Message: 'OK', MessageID: verdict.id }
        : postmarkResults[verdict.kind],
    ),
  }),
  refusal: { status: 422, body: { ErrorCode: 300, Message: 'Invalid request.' } },
  tooFast: { status: 429, body: { ErrorCode: 429, Message: 'Slow down.' } },
  unauthorized: { status: 401, body: { ErrorCode: 10, Message: 'Bad or missing API token.' } },
};

const sesError = (status: number, type: string, message: string): ApiAnswer => ({
  status,
  body: { message },
  headers: { 'x-amzn-errortype': `${type}:http://internal.amazon.com/coral/com.amazonaws.ses/` },
});

const sesResults = {
  refused: { Status: 'MESSAGE_REJECTED', Error: 'The message was rejected.' },
  later: { Status: 'ACCOUNT_THROTTLED', Error: 'Maximum sending rate exceeded.' },
};

/** The mails of SendBulkEmail, each rendered from the template of the call. */
function readSesBulk(call: Fields): ReceivedMail[] {
  const template = fields(fields(call['DefaultContent'])['Template']);
  const content = fields(template['TemplateContent']);
  const entries = list(call['BulkEmailEntries']);
  if (entries.length > 50) throw new Error('At most 50 destinations.');
  return entries.map((one) => {
    const entry = fields(one);
    const replacement = fields(fields(entry['ReplacementEmailContent'])['ReplacementTemplate']);
    const data = text(replacement['ReplacementTemplateData']);
    if (data.length > 262_144) throw new Error('ReplacementTemplateData is too long.');
    const values = { ...fields(JSON.parse(text(template['TemplateData']))), ...fields(JSON.parse(data)) };
    const part = (name: string): string => render(text(content[name]), /\{\{(\w+)\}\}/g, values);
    return {
      from: text(call['FromEmailAddress']),
      to: text(only(fields(entry['Destination'])['ToAddresses'])),
      replyTo: call['ReplyToAddresses'] === undefined ? null : text(only(call['ReplyToAddresses'])),
      subject: part('Subject'),
      html: part('Html'),
      text: part('Text'),
      headers: pairs(entry['ReplacementHeaders'], 'Name', 'Value'),
      tags: pairs(entry['ReplacementTags'], 'Name', 'Value'),
    };
  });
}

function readSesSingle(call: Fields): ReceivedMail {
  const simple = fields(fields(call['Content'])['Simple']);
  const body = fields(simple['Body']);
  const data = (value: unknown): string => text(fields(value)['Data']);
  return {
    from: text(call['FromEmailAddress']),
    to: text(only(fields(call['Destination'])['ToAddresses'])),
    replyTo: call['ReplyToAddresses'] === undefined ? null : text(only(call['ReplyToAddresses'])),
    subject: data(simple['Subject']),
    html: data(body['Html']),
    text: data(body['Text']),
    headers: pairs(simple['Headers'], 'Name', 'Value'),
    tags: pairs(call['EmailTags'], 'Name', 'Value'),
  };
}

const ses: MailDialect = {
  name: 'ses',
  env: { MAIL_SES_REGION: 'eu-west-1', MAIL_SES_CONFIGURATION_SET: 'events' },
  apiKey: 'AKIDEXAMPLE:secret',
  handles: (path) => /^\/v2\/email\/outbound-(?:bulk-)?emails$/.test(path),
  read: (body) => {
    const call = fields(JSON.parse(body));
    return 'BulkEmailEntries' in call ? readSesBulk(call) : [readSesSingle(call)];
  },
  answersEach: true,
  answer: (verdicts) => {
    const [first] = verdicts;
    if (verdicts.length === 1 && first !== undefined) {
      if (first.kind === 'taken') return { status: 200, body: { MessageId: first.id } };
      return first.kind === 'refused' ? ses.refusal : ses.tooFast;
    }
    const results = verdicts.map((verdict) =>
      verdict.kind === 'taken' ? { Status: 'SUCCESS', MessageId: verdict.id } : sesResults[verdict.kind],
    );
    return { status: 200, body: { BulkEmailEntryResults: results } };
  },
  refusal: sesError(400, 'MessageRejected', 'Contains a virus.'),
  tooFast: sesError(429, 'TooManyRequestsException', 'Maximum sending rate exceeded.'),
  unauthorized: sesError(403, 'UnrecognizedClientException', 'The security token is invalid.'),
};

/** The fields of multipart/form-data, each with its values in order. */
function readForm(body: string, contentType: string): Map<string, string[]> {
  const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error("Expecting 'multipart/form-data'.");
  const [before, ...parts] = `\r\n${body}`.split(`\r\n--${boundary}`);
  if (before !== '' || parts.pop() !== '--\r\n') throw new Error('Malformed multipart/form-data request.');
  const form = new Map<string, string[]>();
  for (const part of parts) {
    const [, name, value] =
      /^\r\ncontent-disposition: form-data; name="([^"]+)"\r\n\r\n(.*)$/s.exec(part) ?? [];
    if (name === undefined || value === undefined) throw new Error('Malformed part.');
    form.set(name, [...(form.get(name) ?? []), value]);
  }
  return form;
}

const mailgun: MailDialect = {
  name: 'mailgun',
  env: { MAIL_MAILGUN_DOMAIN: 'mg.shop.test' },
  apiKey: 'key-test',
  handles: (path) => path === '/v3/mg.shop.test/messages',
  read: (body, contentType) => {
    const form = readForm(body, contentType);
    const field = (name: string): string => {
      const [value, ...others] = form.get(name) ?? [];
      if (value === undefined || others.length > 0) throw new Error(`${name} parameter is missing.`);
      return value;
    };
    const variables = fields(JSON.parse(field('recipient-variables')));
    const recipients = form.get('to') ?? [];
    if (recipients.length > 1_000) throw new Error('Too many recipients, max is 1000.');
    const options = [...form].filter(([name]) => /^[hvo]:/.test(name));
    if (JSON.stringify(options).length > 16_000) throw new Error('Send options are limited to 16 kB total.');
    return recipients.map((to) => {
      const values = fields(variables[to]);
      const rendered = (template: string): string => render(template, /%recipient\.(\w+)%/g, values);
      const withPrefix = (prefix: string): Record<string, string> =>
        Object.fromEntries(
          options
            .filter(([name]) => name.startsWith(prefix) && name !== 'h:Reply-To')
            .map(([name]) => [name.slice(prefix.length), rendered(field(name))]),
        );
      return {
        from: field('from'),
        to,
        replyTo: form.has('h:Reply-To') ? field('h:Reply-To') : null,
        subject: rendered(field('subject')),
        html: rendered(field('html')),
        text: rendered(field('text')),
        headers: withPrefix('h:'),
        tags: withPrefix('v:'),
      };
    });
  },
  answersEach: false,
  answer: (verdicts) => ({
    status: 200,
    body: { id: `<${idsOf(verdicts)[0] ?? ''}@mg.shop.test>`, message: 'Queued. Thank you.' },
  }),
  refusal: {
    status: 400,
    body: { message: 'to parameter is not a valid address. please check documentation' },
  },
  tooFast: {
    status: 429,
    body: { message: 'Domain mg.shop.test is not allowed to send: request limit exceeded' },
  },
  unauthorized: { status: 401, body: 'Forbidden' },
};

/** The dynamic template that docs/MAIL.md asks for. */
const sendgridTemplate = { subject: '{{{subject}}}', html: '{{{html}}}', text: '{{{text}}}' };
const sendgridTemplateId = 'd-0123456789abcdef0123456789abcdef';

const sendgridAddress = (value: unknown): string => {
  const { name, email } = fields(value);
  return name === undefined ? text(email) : `${text(name)} <${text(email)}>`;
};

const sendgridError = (status: number, message: string, field: string | null = null): ApiAnswer => ({
  status,
  body: { errors: [{ message, field, help: null }] },
});

const sendgrid: MailDialect = {
  name: 'sendgrid',
  env: { MAIL_SENDGRID_TEMPLATE: sendgridTemplateId },
  apiKey: 'SG.test',
  handles: (path) => path === '/v3/mail/send',
  read: (body) => {
    const call = fields(JSON.parse(body));
    const personalizations = list(call['personalizations']);
    const mails = personalizations.map((one) => {
      const personalization = fields(one);
      return {
        from: sendgridAddress(call['from']),
        to: text(fields(only(personalization['to']))['email']),
        replyTo: call['reply_to'] === undefined ? null : sendgridAddress(call['reply_to']),
        ...sendgridContent(call, personalization['dynamic_template_data']),
        headers: record(personalization['headers']),
        tags: record(personalization['custom_args']),
      };
    });
    if (mails.length < 1 || mails.length > 1_000) throw new Error('From 1 to 1000 personalizations.');
    if (new Set(mails.map(({ to }) => to)).size < mails.length)
      throw new Error('Each unique email address should only be included once.');
    return mails;
  },
  answersEach: false,
  answer: (verdicts) => ({ status: 202, headers: { 'x-message-id': idsOf(verdicts)[0] ?? '' } }),
  refusal: sendgridError(400, 'Does not contain a valid address.', 'personalizations'),
  tooFast: sendgridError(429, 'too many requests'),
  unauthorized: sendgridError(401, 'The provided authorization grant is invalid, expired, or revoked'),
};

function sendgridContent(call: Fields, data: unknown): Pick<ReceivedMail, 'subject' | 'html' | 'text'> {
  if (call['template_id'] === undefined) {
    const part = (type: string): string => {
      const found = list(call['content']).find((one) => fields(one)['type'] === type);
      return text(fields(found)['value']);
    };
    return { subject: text(call['subject']), html: part('text/html'), text: part('text/plain') };
  }
  if (call['template_id'] !== sendgridTemplateId) throw new Error('There is no such template.');
  const part = (template: string): string => render(template, /\{\{\{(\w+)\}\}\}/g, fields(data));
  const { subject, html, text: plain } = sendgridTemplate;
  return { subject: part(subject), html: part(html), text: part(plain) };
}

/** Of all providers with an HTTP API. */
export const mailDialects: readonly MailDialect[] = [resend, postmark, ses, mailgun, sendgrid];
