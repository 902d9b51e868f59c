/**
 * The import rules: which folder may import which. A folder that may import nothing of ours stays
 * replaceable, and the platform's own module stays in the two folders that are its shell.
 *
 *   shared ← core ← runtime ← mail ← durable ← worker   shared ← crm ← durable   shared ← packages/client ← web, packages/cli
 *
 * test/unit/import-rules.test.ts shows that each rule reports what breaks it.
 *
 * @module
 */

/** `name` may import itself and the `allowed` folders of src, and no other file of ours. */
function layer(name, allowed) {
  return {
    name: `${name}-imports`,
    comment: `src/${name} may import ${allowed.map((folder) => `src/${folder}`).join(', ') || 'nothing of ours'}.`,
    severity: 'error',
    from: { path: `^src/${name}/` },
    to: { path: '^(src|web|scripts|test)/', pathNot: [name, ...allowed].map((folder) => `^src/${folder}/`) },
  };
}

export default {
  forbidden: [
    layer('shared', []),
    layer('core', ['shared']),
    layer('runtime', ['shared', 'core']),
    layer('mail', ['shared', 'core', 'runtime']),
    layer('crm', ['shared', 'core', 'runtime', 'mail/providers']),
    layer('durable', ['shared', 'core', 'runtime', 'mail', 'crm']),
    layer('worker', ['shared', 'core', 'runtime', 'mail', 'crm', 'durable']),
    {
      name: 'worker-imports-no-inner-part',
      comment: 'The Worker speaks to an object through its class and its stub, not through its parts.',
      severity: 'error',
      from: { path: '^src/worker/' },
      to: { path: '^src/durable/[^/]+/' },
    },
    {
      name: 'api-imports-no-words',
      comment: 'What calls the server does not know what a screen says about it.',
      severity: 'error',
      from: { path: '^web/src/lib/(api|sync)/' },
      to: { path: '^web/src/lib/', pathNot: '^web/src/lib/(api|sync)/' },
    },
    {
      name: 'web-imports-shared',
      comment: 'The browser shares the contract with the Worker, and how it is asked with other clients.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^(src|scripts|test|packages)/', pathNot: '^(src/shared|packages/client/src)/' },
    },
    {
      name: 'packages-import-shared',
      comment: 'What is used without the app shares the contract with it and nothing else.',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(src|web|scripts|test)/', pathNot: '^src/shared/' },
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
      comment: 'The product runs without them; it does not ask itself.',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|packages)/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two modules that need each other are one module, or three.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-folder-cycles',
      comment: 'Two rooms of the web app that need each other are one room, or three.',
      severity: 'error',
      scope: 'folder',
      from: { path: '^web/src/lib' },
      to: { path: '^web/src/lib', circular: true },
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
