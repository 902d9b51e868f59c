/**
 * What is said about a template that lacks a required part of the footer: in the Activate dialog and in the
 * template editor.
 *
 * @module
 */
import type { FooterField } from '../../../../src/shared/footer-fields.ts';

const footerParts: Record<FooterField, string> = {
  unsubscribeUrl: 'link to unsubscribe ({{ unsubscribeUrl }})',
  postalAddress: 'postal address ({{ postalAddress }})',
};
/** Names the required parts that a template lacks; '' where it has them all. */
export const footerMissing = (fields: readonly FooterField[]): string =>
  fields.length === 0
    ? ''
    : `This template has no ${fields.map((field) => footerParts[field]).join(' and no ')}. Many countries require both.`;
