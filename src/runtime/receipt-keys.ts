/**
 * The key that receipts are signed with, and the public keys by which they are verified.
 *
 * RECEIPT_SIGNING_KEY is a JSON Web Key (RFC 8037) that `npm run deploy` makes; RECEIPT_PUBLIC_KEYS has the public keys
 * of it and of all keys before, so that old receipts stay verifiable after a rotation. Signing is the runtime's:
 * Ed25519 of Web Crypto (https://developers.cloudflare.com/workers/runtime-apis/web-crypto/).
 *
 * @module
 */
import { base64url } from '../shared/base64url.ts';
import { thumbprintText, type SignatureLine } from '../shared/receipt.ts';
import { receiptPublicKeys, receiptSigningJwk, type SettingValues } from './settings.ts';

export interface SigningKey extends Pick<SignatureLine, 'keyId' | 'publicKey'> {
  /** The signature of a text's UTF-8 bytes, as base64url. */
  sign(text: string): Promise<string>;
}

/** A public key as a JSON Web Key. */
export interface PublicReceiptKey {
  kty: 'OKP';
  crv: 'Ed25519';
  alg: 'EdDSA';
  use: 'sig';
  kid: string;
  x: string;
}

/** The signing key, or null where there is none, or none that can be read. */
export async function signingKey(env: SettingValues): Promise<SigningKey | null> {
  const jwk = receiptSigningJwk(env);
  if (jwk === null) return null;
  const key = await crypto.subtle.importKey('jwk', { ...jwk }, 'Ed25519', false, ['sign']);
  return {
    keyId: await keyId(jwk.x),
    publicKey: jwk.x,
    async sign(text) {
      const signature = await crypto.subtle.sign('Ed25519', key, new TextEncoder().encode(text));
      return base64url(new Uint8Array(signature));
    },
  };
}

/** All public keys, the present one first. */
export async function publicReceiptKeys(env: SettingValues): Promise<PublicReceiptKey[]> {
  const present = receiptSigningJwk(env)?.x;
  const all = new Set([...(present === undefined ? [] : [present]), ...receiptPublicKeys(env)]);
  return Promise.all(
    Array.from(all, async (x) => ({
      ...({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' } as const),
      ...{ kid: await keyId(x), x },
    })),
  );
}

async function keyId(publicKey: string): Promise<string> {
  const text = new TextEncoder().encode(thumbprintText(publicKey));
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', text)));
}
