/**
 * The import law: who may know whom. A folder that may import nothing of ours stays replaceable, and the
 * platform's own module stays in the two folders that are its shell.
 *
 *   shared ← core ← mail ← durable ← worker       crm ← durable       shared ← crm, web
 *
 * test/unit/import-law.test.ts shows that each rule bites.
 *
 * @module
 */

/** May import `allowed` folders of src and itself, and no other file of ours. */
function layer(name, allowed) {
  const inside = ['', ...allowed].map((folder) => `^src/${folder === '' ? name : folder}/`);
  return {
    name: `${name}-imports-${allowed.join('-') || 'nothing'}`,
    comment: `src/${name} may import ${allowed.map((folder) => `src/${folder}`).join(', ') || 'nothing of ours'}.`,
    severity: 'error',
    from: { path: `^src/${name}/` },
    to: { path: '^(src|web|scripts|test)/', pathNot: inside },
  };
}

export default {
  forbidden: [
    layer('shared', []),
    layer('core', ['shared']),
    layer('mail', ['core', 'shared']),
    layer('crm', ['shared']),
    layer('durable', ['shared', 'core', 'mail', 'crm']),
    layer('worker', ['shared', 'core', 'mail', 'crm', 'durable']),
    {
      name: 'web-imports-shared',
      comment: 'The browser shares the contract with the Worker and nothing else.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^(src|scripts|test)/', pathNot: '^src/shared/' },
    },
    {
      name: 'platform-in-its-shell',
      comment: 'cloudflare:workers is imported in src/durable and src/worker only.',
      severity: 'error',
      from: { pathNot: '^src/(durable|worker)/' },
      to: { path: '^cloudflare:' },
    },
    {
      name: 'product-without-tests-and-scripts',
      severity: 'error',
      from: { path: '^(src|web)/' },
      to: { path: '^(test|scripts)/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two modules that need each other are one module, or three.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(\\.svelte-kit|build)/' },
    // Types are knowledge too: a type-only import counts.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.svelte'], conditionNames: ['import', 'types'] },
  },
};
