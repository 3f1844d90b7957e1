import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import tseslint from 'typescript-eslint';

/**
 * Dependencies point inward: a package may import only what its own package.json declares, and the layers below say
 * what it may declare at all. Data flows one way: datasets → disruption → encoders → queues → converters → fusion →
 * model → experiment → training → evaluation, predict, service → apps. What judges by an export (judge, and service over
 * it) needs nothing of encoders, queues and models.
 */
const LAYERS = [
  ['tensor'],
  ['terminal', 'collective'],
  ['files', 'onnx', 'preprocessing'],
  ['storage'],
  ['units', 'distribution', 'disruption', 'metrics', 'datasets', 'engine'],
  ['judge'],
  ['layers'],
  ['converters', 'encoders'],
  ['fusion'],
  ['model'],
  ['baselines'],
  ['experiment'],
  ['training', 'predict'],
  ['evaluation', 'service', 'export'],
  ['drf'],
];

/** Whatever folder eslint runs in. */
const inRoot = (path) => join(import.meta.dirname, path);

/** Parts of packages that have an entry of their own, such as @drf/model/checkpoint: what needs Node, beside what does not. */
const ENTRIES = ['packages', 'apps']
  .flatMap((kind) => readdirSync(inRoot(kind)).map((folder) => `${kind}/${folder}`))
  .flatMap((folder) => {
    const { name, publishConfig } = JSON.parse(readFileSync(inRoot(`${folder}/package.json`), 'utf8'));
    return Object.keys(publishConfig?.exports ?? {})
      .filter((entry) => entry !== '.' && entry !== './package.json')
      .map((entry) => `!${name}${entry.slice(1)}`);
  });

const layerOf = (name) => LAYERS.findIndex((layer) => layer.includes(name));

function inwardRules(kind) {
  return readdirSync(inRoot(kind)).map((folder) => {
    const manifest = JSON.parse(readFileSync(inRoot(`${kind}/${folder}/package.json`), 'utf8'));
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    const own = kind === 'packages' ? layerOf(folder) : LAYERS.length;
    const forbidden = LAYERS.flat().filter(
      (name) => name !== folder && (layerOf(name) >= own || !declared.includes(`@drf/${name}`)),
    );
    const patterns = [
      { group: ['@drf/*/*', ...ENTRIES], message: "import the package's index, not its files" },
      ...(forbidden.length === 0
        ? []
        : [{ group: forbidden.map((name) => `@drf/${name}`), message: 'dependencies point inward: see LAYERS' }]),
    ];
    return {
      files: [`${kind}/${folder}/src/**/*.ts`],
      ignores: ['**/*.test.ts', '**/*.contract.ts', '**/testing/**'],
      rules: { 'no-restricted-imports': ['error', { patterns }] },
    };
  });
}

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', 'runs/', 'cache/', 'docs/api/', '**/fixtures/', '.turbo/'] },
  ...tseslint.configs.recommended,
  ...tseslint.configs.stylistic,
  {
    files: ['{packages,apps,lab}/*/src/**/*.ts'],
    languageOptions: { parserOptions: { project: './tsconfig.check.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // type aliases, not interfaces, describe trees of tensors: only they fit an index signature
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/consistent-indexed-object-style': 'off', // an index signature names its keys
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/class-literal-property-style': 'off',
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'randomness is an argument: take a Random of @drf/tensor' },
      ],
    },
  },
  {
    files: ['{packages,apps,lab}/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.contract.ts', '**/testing/**'],
    rules: { '@typescript-eslint/no-unnecessary-type-assertion': 'error' },
  },
  ...inwardRules('packages'),
  ...inwardRules('apps'),
  ...inwardRules('lab'),
);
