import { describe, expect, test } from 'vitest';
import { addressesIn } from '../../web/src/lib/suppressions/address-list.ts';
import { frameDocument } from '../../web/src/lib/ui/frame-document.ts';

describe('addresses in pasted text', () => {
  test.each([
    ['a@example.com\nb@example.com\r\n', ['a@example.com', 'b@example.com']],
    ['Name,Email,City\n"Zoë, N",zoe@example.com,Berlin', ['zoe@example.com']],
    ['Zoë <zoe@example.com>; Bo <bo@example.com>,', ['zoe@example.com', 'bo@example.com']],
    ['mailto:a@example.com (b@example.com). a@example.com', ['a@example.com', 'b@example.com']],
    ['', []],
    ['no address here', []],
  ])('%j', (text, addresses) => {
    expect(addressesIn(text)).toEqual(addresses);
  });

  test('are validated by the server only', () => {
    expect(addressesIn('broken@ x@y')).toEqual(['broken@', 'x@y']);
  });
});

test('a mail in a frame comes after the policy that forbids it to load anything', () => {
  const document = frameDocument('<!doctype html><img src="https://tracker.test/a.png">');
  expect(document.indexOf('Content-Security-Policy')).toBeLessThan(document.indexOf('tracker.test'));
  expect(document).toContain("default-src 'none'");
});
