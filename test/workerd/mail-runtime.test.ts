/**
 * The parts of the mail layer that another runtime could break: LiquidJS without `eval`, signing, and workerd's
 * error for a connection that was never made.
 *
 * @module
 */
import { expect, test } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { compileTemplate } from '../../src/mail/templates/render.ts';
import { createResendTransport } from '../../src/mail/providers/resend/transport.ts';
import { createSesTransport } from '../../src/mail/providers/ses/transport.ts';
import { sha256Hex } from '../../src/shared/sha256.ts';
import {
  answering,
  callOf,
  fullContext,
  nowMs,
  realFetch,
  recipientOf,
  templateOf,
} from '../support/mail-fixtures.ts';

test('the built-in templates render', () => {
  for (const template of builtinTemplates) {
    const compiled = compileTemplate(template);
    if (compiled.kind === 'refused') throw new Error(compiled.message);
    expect(compiled.render(recipientOf(), fullContext)).toMatchObject({ kind: 'rendered' });
  }
});

test('a hostile template is stopped although the clock stands still', () => {
  const doubling = `{% assign a = 'xxxxxxxx' %}${'{% capture a %}{{a}}{{a}}{% endcapture %}'.repeat(60)}`;
  const compiled = compileTemplate(templateOf({ text: doubling }));
  if (compiled.kind === 'refused') throw new Error(compiled.message);
  expect(compiled.render(recipientOf(), fullContext)).toMatchObject({
    kind: 'refused',
    code: 'not_renderable',
  });
});

test('endless nesting is refused and does not crash', () => {
  const html = '{% if firstName %}'.repeat(5_500);
  expect(compileTemplate(templateOf({ html }))).toMatchObject({ kind: 'refused', code: 'syntax' });
});

test('a payload is hashed and a call to SES is signed', async () => {
  expect(await sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  const { fetch, seen } = answering(200, { MessageId: 'a' });
  const transport = createSesTransport({
    apiUrl: 'https://email.eu-west-1.amazonaws.com',
    region: 'eu-west-1',
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'secret',
    configurationSet: null,
    mailsPerSecond: 50,
    fetch,
    now: () => nowMs,
  });
  expect((await transport.deliver(callOf(transport, 1))).outcome).toMatchObject({ kind: 'accepted' });
  expect(seen[0]?.headers.get('authorization')).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\//);
});

test('a refused connection is unknown here: workerd reports the same error when a connection breaks after the request', async () => {
  const transport = createResendTransport({
    apiUrl: 'http://127.0.0.1:9',
    apiKey: 'k',
    fetch: realFetch,
    now: () => nowMs,
  });
  expect((await transport.deliver(callOf(transport, 1))).outcome).toMatchObject({
    kind: 'unknown',
    code: 'connection_lost',
  });
});
