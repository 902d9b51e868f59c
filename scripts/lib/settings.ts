/**
 * The settings of the product and of its mail providers in one list, for `npm start` and `npm run deploy`.
 *
 * @module
 */
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
];
