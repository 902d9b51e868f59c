/**
 * Lint: typescript-eslint's strict rules with types, and Svelte's own rules. Formatting is left to Prettier.
 *
 * Every rule that is off has a reason here. Components are linted without types: svelte-check has those.
 *
 * @module
 */
import prettier from 'eslint-config-prettier';
import svelte from 'eslint-plugin-svelte';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores([
    'node_modules/',
    '**/.svelte-kit/',
    'web/build/',
    '**/.wrangler/',
    '.state/',
    'dist/',
    'coverage/',
    'src/worker/env.d.ts',
    'test/fixtures/',
    'packages/cli/lead-activation.mjs',
    'packages/*/dist/',
    'packages/client/src/api.ts',
  ]),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // A promise that is passed to an event emitter is lost like one that is not awaited.
      '@typescript-eslint/no-misused-promises': 'error',
      // Most of our template strings have numbers.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      // `import { type A }` still loads the module: it brought zod, and with it `new Function`, into a page.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Verbs are passed as plain functions and do not use `this`.
      '@typescript-eslint/unbound-method': 'off',
      // Only hexadecimal texts and keys are spread, never a person's text.
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-invalid-void-type': [
        'error',
        { allowInGenericTypeArguments: true, allowAsThisParameter: true },
      ],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowRethrowing: true }],
      // `'a' | 'b' | string` documents the expected strings.
      '@typescript-eslint/no-redundant-type-constituents': 'off',
      // An async interface may have implementations without an await.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: globals.node },
  },
  {
    files: ['web/**/*.svelte', 'web/**/*.svelte.ts'],
    extends: [svelte.configs.recommended],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { parser: tseslint.parser, extraFileExtensions: ['.svelte'] },
    },
    rules: {
      // The Worker serves the app at the root of its host, never under a path.
      'svelte/no-navigation-without-resolve': 'off',
      // A Map in a store is private bookkeeping; what a component reads is `$state.raw` and is replaced.
      'svelte/prefer-svelte-reactivity': 'off',
      // svelte-check reports unused comments; this rule does not see its warnings.
      'svelte/no-unused-svelte-ignore': 'off',
    },
  },
  // The types of web files depend on SvelteKit's generated files and on components, so svelte-check checks them.
  { files: ['web/**/*.ts', 'web/**/*.svelte'], extends: [tseslint.configs.disableTypeChecked] },
  {
    files: ['web/**/*.ts'],
    languageOptions: { globals: globals.browser, parserOptions: { projectService: false } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'off',
      '@typescript-eslint/no-misused-promises': 'off',
      // A call without a result is `call<void>`; without types this rule reports it.
      '@typescript-eslint/no-invalid-void-type': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Matchers and parsed answers are loosely typed, and the Workers' types declare Buffer as `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // The Workers' types declare Buffer as `any`, unlike Node's. Only these files use Buffer.
    files: ['src/mail/unsubscribe-token.ts', 'src/worker/routes/mail/webhooks.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/restrict-plus-operands': 'off',
    },
  },
  {
    // The same name under another jurisdiction is another object: src/durable/stubs.ts makes every stub.
    files: ['src/**/*.ts'],
    ignores: ['src/durable/stubs.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...['getByName', 'idFromName', 'idFromString', 'newUniqueId'].map((property) => ({
          property,
          message: 'Stubs are made by src/durable/stubs.ts.',
        })),
      ],
    },
  },
  prettier,
);
