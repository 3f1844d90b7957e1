import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import * as converters from '../../packages/converters/src/index.js';
import * as distribution from '../../packages/distribution/src/index.js';
import * as fusion from '../../packages/fusion/src/index.js';
import * as layers from '../../packages/layers/src/index.js';
import * as metrics from '../../packages/metrics/src/index.js';
import * as tensor from '../../packages/tensor/src/index.js';
import * as transfer from '../../packages/tensor/src/transfer.js';
import { BROWSER_PACKAGES, workspacePackages } from '../packages/workspace.js';
import { runReadmeExample } from '../run-readme-example.js';

const page = new URL('../../docs/packages.md', import.meta.url);

it('the training step composed by hand prints what docs/packages.md shows', async () => {
  const modules = {
    '@tensorflow/tfjs': tf,
    '@drf/converters': converters,
    '@drf/distribution': distribution,
    '@drf/fusion': fusion,
    '@drf/layers': layers,
    '@drf/metrics': metrics,
    '@drf/tensor': tensor,
    '@drf/tensor/transfer': transfer,
  };
  const { printed, shown } = await runReadmeExample(page, modules);
  expect(shown).not.toBe('');
  expect(printed).toBe(shown);
});

it('docs/packages.md says of every package where it runs', async () => {
  const text = await readFile(page, 'utf8');
  for (const { manifest, kind } of await workspacePackages()) {
    if (kind === 'command') continue; // used from the command line
    const row = text.split('\n').find((line) => line.startsWith(`| \`${manifest.name}\``));
    expect(row, manifest.name).toBeDefined();
    expect(/Node and browsers/.test(row as string), manifest.name).toBe(BROWSER_PACKAGES.includes(manifest.name));
  }
});
