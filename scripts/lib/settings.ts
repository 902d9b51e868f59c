/**
 * The settings of the product, of its mail providers and of the connected CRM in one list, for `npm start` and `npm run deploy`.
 *
 * @module
 */
import { isCrmName } from '../../src/crm/connections/index.ts';
import { crmSettings } from '../../src/crm/connections/settings.ts';
import { isProviderName, providerSettings } from '../../src/mail/providers/index.ts';
import { settings, type ProductSetting } from '../../src/runtime/settings.ts';

const anything = ['start', 'deploy'] as const;

/** Every setting, by its place in docs/OPERATIONS.md. */
export const allSettings: readonly (Omit<ProductSetting, 'group'> & { group: string })[] = [
  ...settings.map((setting) =>
    // The runtime's table does not know the providers.
    setting.name === 'MAIL_PROVIDER' ? { ...setting, check: isProviderName } : setting,
  ),
  ...providerSettings.map((setting) => ({
    ...setting,
    group: 'One mail provider only',
    takenBy: anything,
  })),
  ...crmSettings.map((setting) => ({
    ...setting,
    ...(setting.name === 'CRM_PROVIDER' ? { check: isCrmName } : {}),
    group: 'Connected CRM',
    takenBy: anything,
  })),
];
