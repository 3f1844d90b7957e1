import { stat } from 'node:fs/promises';
import { Option, type Command } from '@drf/terminal';
import type { Modality } from '@drf/tensor';
import { encoderOfRun, isRun } from '@drf/export';
import { exportEncoder } from '@drf/export';

interface EncoderOptions {
  readonly modality: Modality;
  readonly out: string;
  readonly overwrite?: boolean;
  readonly revision?: string;
  readonly allowDownload?: boolean;
  readonly json?: boolean;
}

/** Adds `export encoder`. @param print takes text for standard output */
export function addEncoderCommand(program: Command, print: (text: string) => void): void {
  program
    .command('encoder')
    .description('write an encoder as a folder that transformers.js and Python open')
    .argument('<model>', 'hub id or folder of a ViT, DeiT, BERT, RoBERTa or DistilBERT, or a run that trained one')
    .addOption(new Option('--modality <name>', 'what it reads').choices(['image', 'text']).makeOptionMandatory())
    .requiredOption('--out <folder>', 'folder to write')
    .option('--overwrite', 'replace an export that is there already')
    .option('--allow-download', 'fetch the model that a run trained, if the cache lacks it, from the Hugging Face hub')
    .option('--revision <name>', 'branch, tag or commit on the hub')
    .option('--json', 'print the paths as JSON')
    .action(async (model: string, { modality, json, allowDownload = false, ...options }: EncoderOptions) => {
      const onStep = (message: string): void => void (json === true || process.stderr.write(`${message} …\n`));
      const trained = isRun(model) ? await encoderOfRun(model, modality, allowDownload) : undefined;
      const name = trained?.model ?? model.replace(/^huggingface:/, '');
      // a model that is named here may be fetched
      const localFilesOnly = trained !== undefined && !allowDownload;
      const files = await exportEncoder(name, modality, { ...options, ...trained, localFilesOnly, onStep });
      if (json === true) return print(`${JSON.stringify({ files })}\n`);
      for (const file of files)
        print(`${file}  ${Math.ceil((await stat(file)).size / 1000).toLocaleString('en-US')} kB\n`);
    });
}
