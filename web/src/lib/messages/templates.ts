/**
 * Words of the list of templates.
 *
 * @module
 */
export const templatesMessages = {
  title: 'Templates',
  subtitle: 'What a run can send. A run keeps the version that it started with.',
  create: 'New template',
  failed: 'The templates could not be loaded',
  builtin: 'Built-in',
  version: (version: number) => `Version ${version}`,
} as const;
