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
/** That a mail lacks what its readers are owed; '' where it has everything. */
export const footerMissing = (fields: readonly FooterField[]): string =>
  fields.length === 0
    ? ''
    : `This template shows no ${fields.map((field) => footerParts[field]).join(' and no ')}. Many countries require both in such a mail.`;
