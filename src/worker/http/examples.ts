/**
 * Examples in the description of the API, by the name of their schema. The lint of the description checks that each fits.
 *
 * @module
 */

const sessionId = 'activation_1764580800000_a7bc3d2f1';
const manifestHash = '3f1c8f8c1c6d0b0f6b7b3a6e9a0d9a4f2f0f1c9a5c7b1d3e5f7a9b1c3d5e7f90';

export const examples: Readonly<Record<string, readonly unknown[]>> = {
  ActivationStartRequest: [
    {
      sessionId,
      name: 'Trade fair, December',
      audience: { filter: { status: 'new', source: 'trade-fair' } },
      templateId: 'welcome',
      manifestHash,
    },
  ],
  ActivationPreviewRequest: [
    { audience: { filter: { status: 'new', source: 'trade-fair' } }, templateId: 'welcome' },
  ],
  ActivationManifestRequest: [{ audience: { leadIds: [101, 102] }, templateId: 'welcome' }],
  RescheduleRequest: [{ schedule: { at: '2026-12-01T09:00', zone: 'Europe/Berlin' } }],
  RetryRequest: [{ outcome: 'failed' }],
  LeadCreate: [{ email: 'ada@example.com', firstName: 'Ada', lastName: 'Lovelace', custom: { plan: 'pro' } }],
  LeadPatch: [{ stage: 'qualified' }],
  LeadUpsert: [
    {
      externalId: { source: 'hubspot', id: '901' },
      email: 'ada@example.com',
      stage: 'qualified',
      tags: ['trade-fair'],
    },
  ],
  LeadBatch: [
    { leads: [{ externalId: { source: 'hubspot', id: '901' }, stage: 'won' }, { email: 'bob@example.com' }] },
  ],
  BulkTag: [{ audience: { filter: { source: 'web' } }, add: ['newsletter'], remove: ['trial'] }],
  Lead: [
    {
      id: 101,
      externalId: { source: 'hubspot', id: '901' },
      email: 'ada@example.com',
      firstName: 'Ada',
      lastName: 'Lovelace',
      company: 'Analytical Engines',
      phone: '',
      source: 'trade-fair',
      stage: 'qualified',
      notes: '',
      consentSource: 'form of the trade fair',
      tags: ['trade-fair'],
      custom: { plan: 'pro' },
      status: 'new',
      activatedAt: null,
      activatedBy: null,
      importId: null,
      createdAt: 1_764_576_000_000,
      updatedAt: 1_764_576_000_000,
    },
  ],
  ImportOpenRequest: [
    {
      importId: 'import_trade-fair',
      fileName: 'trade-fair.csv',
      columns: ['Email', 'First name'],
      mapping: { email: [0], firstName: [1] },
    },
  ],
  ImportChunkRequest: [{ rows: [{ line: 2, cells: ['ada@example.com', 'Ada'] }] }],
  EndpointRequest: [
    {
      kind: 'webhook',
      target: 'https://crm.acme.com/events',
      types: ['activation.completed', 'lead.emailed', 'lead.bounced'],
    },
  ],
  SuppressionAdd: [{ addresses: ['ada@example.com'], reason: 'manual', note: 'Asked by phone' }],
  Problem: [
    {
      type: '/problems/lead-not-found',
      title: 'No lead has this id.',
      status: 404,
      code: 'lead_not_found',
      detail: 'No lead has this id.',
      instance: '/crm/leads/101',
      requestId: '0a3c6a53-5d62-4b3c-9e0e-2f6f3f6c1e11',
    },
  ],
};
