/**
 * The mails that a stand-in mail API has taken. Tests take from here who was mailed, and how often.
 *
 * @module
 */

/** The part of a mail in the stand-in's list that tests read. */
export interface TakenMail {
  id: string;
  to: string[];
  subject: string;
  html: string;
  text: string | null;
  headers: Record<string, string>;
  tags: { name: string; value: string }[];
}

export interface Mailbox {
  mails: readonly TakenMail[];
  /** Mails per address, in lower case. */
  countByAddress: ReadonlyMap<string, number>;
  /** Addresses that were mailed more than once. */
  duplicates: readonly string[];
}

/** Counts a list of mails by recipient. */
export function countMails(mails: readonly TakenMail[]): Mailbox {
  const countByAddress = new Map<string, number>();
  for (const address of mails.flatMap((mail) => mail.to)) {
    const name = address.toLowerCase();
    countByAddress.set(name, (countByAddress.get(name) ?? 0) + 1);
  }
  const duplicates = [...countByAddress].filter(([, count]) => count > 1).map(([address]) => address);
  return { mails, countByAddress, duplicates };
}

/**
 * Reads everything the stand-in holds.
 *
 * @param mailUrl - its base URL, or that of a proxy in front of it
 */
export async function readMailbox(mailUrl: string): Promise<Mailbox> {
  const response = await fetch(`${mailUrl}/emails`);
  if (!response.ok) throw new Error(`the stand-in mail API answered ${response.status}`);
  const { data }: { data: TakenMail[] } = await response.json();
  return countMails(data);
}
