// Every family beside transformers: the largest error of states and pooled output (absolute), and of gradients (relative to
// the largest number of each gradient), on tiny models with random weights, on every engine. From the repository's root:
//   node --conditions=source --import ./scripts/from-source.mjs packages/encoders/bench/family-equality.ts [ENGINE ...]
import { readdir, readFile } from 'node:fs/promises';
import { createEngine } from '@drf/engine';
import { computeReference, differences, fixturePath, loadReference } from '../src/testing/reference.js';

const given = process.argv.slice(2);
const engines = given.length > 0 ? given : ['eager:cpu', 'eager:wasm', 'compiled'];
const folders = await readdir(fixturePath(), { withFileTypes: true });
const models = folders.filter((each) => each.isDirectory() && each.name !== 'tokenizers').map(({ name }) => name);

interface Config {
  readonly architectures: readonly string[];
  readonly transformers_version: string;
}

const rows: string[][] = [];
for (const model of models.sort()) {
  const config = JSON.parse(await readFile(fixturePath(model, 'config.json'), 'utf8')) as Config;
  const reference = await loadReference(fixturePath(model));
  const worst = { forward: 0, gradient: 0 };
  const left = new Set<string>();
  for (const name of engines) {
    const engine = await createEngine(name);
    const found = differences(await computeReference(engine, reference), reference);
    await engine.dispose();
    worst.forward = Math.max(worst.forward, found.forward);
    worst.gradient = Math.max(worst.gradient, found.gradient);
    found.left.forEach((each) => left.add(each));
  }
  rows.push([
    model,
    config.architectures.join(', '),
    config.transformers_version,
    worst.forward.toExponential(1),
    worst.gradient.toExponential(1),
    [...left].join(', '),
  ]);
}
console.log(`largest errors over ${engines.join(', ')}\n`);
console.log('| fixture | class | transformers | outputs | gradients | not compared |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const row of rows) console.log(`| ${row.join(' | ')} |`);
