/**
 * Words of the list of templates.
 *
 * @module
 */
export const templatesMessages = {
  title: 'Templates',
  subtitle: 'Editing a template doesn’t change activations already started.',
  create: 'New template',
  failed: 'The templates could not be loaded',
  builtin: 'Built-in',
  version: (version: number) => `Version ${version}`,
  search: 'Search templates',
  none: (search: string) => `No template matches “${search}”`,
  clear: 'Clear search',
  lastUsed: (ago: string) => `Used ${ago}`,
} as const;
