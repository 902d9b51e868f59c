/**
 * The wire contract of what belongs to a receipt. The receipt itself is shared/receipt.ts.
 *
 * @module
 */
import { z } from 'zod';

export const receiptKeySchema = z
  .object({ key: z.string().meta({ description: 'Key of HMAC-SHA256 over addresses in lower case.' }) })
  .meta({ id: 'ReceiptKey' });
export type ReceiptKey = z.infer<typeof receiptKeySchema>;

export const receiptKeySetSchema = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        alg: z.literal('EdDSA'),
        use: z.literal('sig'),
        kid: z
          .string()
          .meta({ description: 'JWK thumbprint (RFC 7638): `keyId` of the last line of a receipt.' }),
        x: z.string(),
      }),
    ),
  })
  .meta({ id: 'ReceiptKeySet', description: 'A JSON Web Key Set (RFC 7517).' });
export type ReceiptKeySet = z.infer<typeof receiptKeySetSchema>;
