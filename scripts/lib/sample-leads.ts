/**
 * Sample leads: invented people of many countries, the same ones each time.
 *
 * Every address is in a domain that RFC 2606 reserves, so that no mail can ever reach a stranger.
 *
 * @module
 */
import {
  type Faker,
  fakerCS_CZ,
  fakerDA,
  fakerDE,
  fakerDE_CH,
  fakerEL,
  fakerEN_GB,
  fakerEN_IN,
  fakerEN_NG,
  fakerEN_US,
  fakerES,
  fakerES_MX,
  fakerFI,
  fakerFR,
  fakerHU,
  fakerID_ID,
  fakerIT,
  fakerJA,
  fakerKO,
  fakerNB_NO,
  fakerNL,
  fakerPL,
  fakerPT_BR,
  fakerRO,
  fakerSV,
  fakerTR,
  fakerUK,
  fakerVI,
  fakerZH_CN,
} from '@faker-js/faker';
import { leadFieldNames, perField } from '../../src/shared/lead-fields.ts';
import type { ImportedLead } from '../../src/shared/imports/import-file.ts';

/** Countries with how many of a hundred leads or so are from there. */
const countries: { value: Faker; weight: number }[] = [
  { value: fakerEN_US, weight: 16 },
  { value: fakerDE, weight: 12 },
  { value: fakerEN_GB, weight: 10 },
  { value: fakerFR, weight: 8 },
  { value: fakerES, weight: 6 },
  { value: fakerIT, weight: 6 },
  { value: fakerPT_BR, weight: 5 },
  { value: fakerNL, weight: 5 },
  { value: fakerPL, weight: 4 },
  { value: fakerSV, weight: 3 },
  { value: fakerEN_IN, weight: 3 },
  { value: fakerJA, weight: 3 },
  { value: fakerES_MX, weight: 2 },
  { value: fakerDE_CH, weight: 2 },
  { value: fakerDA, weight: 2 },
  { value: fakerNB_NO, weight: 2 },
  { value: fakerFI, weight: 2 },
  { value: fakerCS_CZ, weight: 2 },
  { value: fakerTR, weight: 2 },
  { value: fakerRO, weight: 1 },
  { value: fakerHU, weight: 1 },
  { value: fakerEL, weight: 1 },
  { value: fakerUK, weight: 1 },
  { value: fakerEN_NG, weight: 1 },
  { value: fakerVI, weight: 1 },
  { value: fakerID_ID, weight: 1 },
  { value: fakerKO, weight: 1 },
  { value: fakerZH_CN, weight: 1 },
];

/** Where leads come from, with how they agreed to be written to. */
const origins = [
  { value: { source: 'Website form', consentSource: 'Website form, box ticked' }, weight: 30 },
  { value: { source: 'Webinar', consentSource: 'Webinar registration' }, weight: 18 },
  { value: { source: 'Trade show', consentSource: 'Badge scan, signed form' }, weight: 14 },
  { value: { source: 'Newsletter', consentSource: 'Newsletter, double opt-in' }, weight: 14 },
  { value: { source: 'Free trial', consentSource: 'Trial sign-up' }, weight: 12 },
  { value: { source: 'Referral', consentSource: 'Asked by e-mail' }, weight: 7 },
  { value: { source: 'Partner', consentSource: 'Partner contract' }, weight: 5 },
];

const stages = [
  { value: 'New lead', weight: 40 },
  { value: 'Contacted', weight: 25 },
  { value: 'Qualified', weight: 17 },
  { value: 'Proposal sent', weight: 10 },
  { value: 'Negotiation', weight: 5 },
  { value: 'On hold', weight: 3 },
];

const notes = [
  'Asked for prices for 20 seats.',
  'Prefers a call in the morning.',
  'Wants to see the export before deciding.',
  'Compares us with two others, decision this quarter.',
  'Came back after the spring release.',
  'Has a team of five; the manager signs.',
  'Met at our booth, was keen on the reports.',
  'Needs an offer with the yearly plan.',
  'Uses a spreadsheet today and has had enough of it.',
  'Write again after the summer.',
  'Sent the security questionnaire, waiting for an answer.',
  'Heard of us from a former colleague.',
];

/** Latin letters that are no letter with an accent. */
const spelledOut: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ı: 'i',
  þ: 'th',
};

/** The text in a-z, words joined by `joint`; null where it is in another script. */
function latin(text: string, joint: string): string | null {
  const folded = text
    .toLowerCase()
    .replace(/[ßæœøłđıþ]/g, (letter) => spelledOut[letter] ?? letter)
    .normalize('NFKD')
    .replace(/[\p{M}'’.]/gu, '');
  if (/[^\p{Script=Latin}\p{Script=Common}]/u.test(folded)) return null;
  return folded.match(/[a-z]+/g)?.join(joint) ?? null;
}

/** An address at the company or at a large mail provider, as a person of that name would have. */
function addressOf(faker: Faker, person: { firstName: string; lastName: string; company: string }): string {
  const first = latin(person.firstName, '');
  const last = latin(person.lastName, '');
  // A label of a domain name has 63 characters at most (RFC 1035 §2.3.4); people choose shorter ones.
  const company = latin(person.company, '-')?.slice(0, 30).replace(/-+$/, '') ?? null;
  const word = (): string =>
    `${faker.word.adjective()}-${faker.word.noun()}`.toLowerCase().replace(/[^a-z-]/g, '');
  const domain = faker.helpers.weightedArrayElement([
    { value: `${company ?? word()}.example`, weight: 75 },
    { value: 'example.com', weight: 12 },
    { value: 'example.org', weight: 7 },
    { value: 'example.net', weight: 6 },
  ]);
  if (first === null || last === null) {
    return `${faker.helpers.arrayElement(['office', 'contact', 'team', 'sales'])}@${domain}`;
  }
  const local = faker.helpers.weightedArrayElement([
    { value: `${first}.${last}`, weight: 60 },
    { value: `${first.slice(0, 1)}${last}`, weight: 20 },
    { value: `${first}_${last}`, weight: 10 },
    { value: first, weight: 10 },
  ]);
  return `${local}@${domain}`;
}

/**
 * Makes `count` leads with addresses of their own. The same count gives the same leads, and a larger
 * one begins with those of a smaller one.
 */
export function sampleLeads(count: number): ImportedLead[] {
  const dice = fakerEN_US;
  for (const [index, country] of countries.entries()) country.value.seed(20_261_123 + index);
  const seen = new Set<string>();
  const leads: ImportedLead[] = [];
  while (leads.length < count) {
    const faker = dice.helpers.weightedArrayElement(countries);
    const firstName = faker.person.firstName();
    const lastName = faker.person.lastName();
    const company = faker.company.name();
    const [local = '', domain = ''] = addressOf(dice, { firstName, lastName, company }).split('@');
    let email = `${local}@${domain}`;
    for (let number = 2; seen.has(email); number += 1) email = `${local}${String(number)}@${domain}`;
    seen.add(email);
    leads.push({
      ...perField(leadFieldNames, () => ''),
      email,
      firstName,
      lastName,
      company,
      phone: dice.datatype.boolean(0.8) ? faker.phone.number({ style: 'international' }) : '',
      ...dice.helpers.weightedArrayElement(origins),
      stage: dice.helpers.weightedArrayElement(stages),
      notes: dice.datatype.boolean(0.35) ? dice.helpers.arrayElement(notes) : '',
    });
  }
  return leads;
}
