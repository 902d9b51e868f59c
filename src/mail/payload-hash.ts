/**
 * The hash of a call's payload, by which the log says that a repeat has other bytes than the first attempt.
 *
 * Owns what is hashed. Invariant: payloads that differ have hashes that differ.
 *
 * @module
 */
import { sha256Hex } from '../shared/sha256.ts';
import { json } from './json.ts';
import type { MailTransport, OutgoingMail } from './transport.ts';

const nothing = json('');

/**
 * A hash that differs where the payload of a call differs. Hashing the payload itself takes a tenth of the time of a
 * batch, because the template is in it a hundred times. So each mail is encoded once more with its short
 * {@link OutgoingMail.source} in the place of its bodies, and that is hashed.
 */
export function payloadHash(
  transport: Pick<MailTransport, 'encode'>,
  mails: readonly OutgoingMail[],
): Promise<string> {
  return sha256Hex(
    transport.encode(mails.map((mail) => ({ ...mail, html: json(mail.source), text: nothing }))),
  );
}

/** True for a hash of the payload itself, as version 0.1 made it: a batch that waits has kept it through the update. */
export async function isHashOf(payload: string, known: string): Promise<boolean> {
  return known === (await sha256Hex(payload));
}
