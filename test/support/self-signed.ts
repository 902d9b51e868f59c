/**
 * A self-signed certificate (RFC 5280) for a key that a test has made: as much of DER as that needs.
 *
 * @module
 */

/** Tag, length, value (X.690). */
function der(tag: number, ...parts: readonly (readonly number[])[]): number[] {
  const value = parts.flat();
  const { length } = value;
  const lengthBytes =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return [tag, ...lengthBytes, ...value];
}

const sequence = (...parts: readonly (readonly number[])[]): number[] => der(0x30, ...parts);
const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];
/** sha256WithRSAEncryption, 1.2.840.113549.1.1.11. */
const algorithm = sequence(der(0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]), der(0x05));
/** commonName, 2.5.4.3. */
const name = sequence(
  der(0x31, sequence(der(0x06, [0x55, 0x04, 0x03]), der(0x0c, ascii('sns.amazonaws.com')))),
);
const validity = sequence(der(0x17, ascii('260101000000Z')), der(0x17, ascii('360101000000Z')));

/** @param pair - an RSA key for signatures with SHA-256 */
export async function selfSignedPem(pair: CryptoKeyPair): Promise<string> {
  const spki = new Uint8Array((await crypto.subtle.exportKey('spki', pair.publicKey)) as ArrayBuffer);
  const version3 = der(0xa0, der(0x02, [2]));
  const body = sequence(version3, der(0x02, [1]), algorithm, name, validity, name, [...spki]);
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', pair.privateKey, new Uint8Array(body));
  const certificate = sequence(body, algorithm, der(0x03, [0, ...new Uint8Array(signature)]));
  const base64 = Buffer.from(certificate).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
