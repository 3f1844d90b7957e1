// Small encoders with random weights, as folders of the hub have them: what they say is of no use, but they go every way that
// large ones go, in a fraction of the time.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ROOT } from './laboratory.mjs';

/**
 * Writes a BERT and a ViT for each name, into `NAME-bert` and `NAME-vit`.
 * @param configs by name, what their `config.json` has in place of two layers of few values
 */
export async function writeEncoders(folder, configs) {
  const program = `
    import { writeTinyBert, writeTinyVit } from './packages/encoders/src/testing/index.ts';
    const [folder, configs] = process.argv.slice(1);
    for (const [name, config] of Object.entries(JSON.parse(configs))) {
      await writeTinyBert(folder + '/' + name + '-bert', { config });
      await writeTinyVit(folder + '/' + name + '-vit', { config });
    }`;
  const source = ['--conditions=source', '--import', './scripts/from-source.mjs', '--input-type=module', '-e', program];
  await promisify(execFile)(process.execPath, [...source, folder, JSON.stringify(configs)], { cwd: ROOT });
}
