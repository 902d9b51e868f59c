/**
 * Lint: typescript-eslint's strict rules with types, Svelte's own rules, nothing about looks (Prettier's).
 *
 * A rule is off only where it says why. Components are linted without types: svelte-check has those.
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
      // A promise handed to an event emitter is lost the same way as one not awaited.
      '@typescript-eslint/no-misused-promises': 'error',
      // Numbers in messages are what most of our templates are for.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      // `import { type A }` still loads the module: it brought zod, and with it `new Function`, into a page.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Verbs are handed about as plain functions; what they close over is not `this`.
      '@typescript-eslint/unbound-method': 'off',
      // Hexadecimal and keys are spread, never what a person wrote.
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-invalid-void-type': [
        'error',
        { allowInGenericTypeArguments: true, allowAsThisParameter: true },
      ],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowRethrowing: true }],
      // `'a' | 'b' | string` tells a reader which strings to expect.
      '@typescript-eslint/no-redundant-type-constituents': 'off',
      // The runtime's verbs are async whether or not an implementation has something to await.
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
      // svelte-check knows which of them silence something; this rule does not see its warnings.
      'svelte/no-unused-svelte-ignore': 'off',
    },
  },
  // Types of web files hang on what SvelteKit generates and on components: svelte-check's field.
  { files: ['web/**/*.ts', 'web/**/*.svelte'], extends: [tseslint.configs.disableTypeChecked] },
  {
    files: ['web/**/*.ts'],
    languageOptions: { globals: globals.browser, parserOptions: { projectService: false } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'off',
      '@typescript-eslint/no-misused-promises': 'off',
      // A call that answers nothing is `call<void>`; without types the rule takes that for a fault.
      '@typescript-eslint/no-invalid-void-type': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Matchers and parsed answers are loose by nature, and the Workers' types declare Buffer as `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // The Workers' types declare Buffer as `any`, whatever Node's say; these are all who handle bytes by it.
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
