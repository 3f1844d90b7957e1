import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeTinyBert } from '@drf/encoders/testing';
import { ConfigurationError, UnavailableError } from '@drf/tensor';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseExperiment } from './parse.js';
import { openTrainedEncoders, startSession, type RecordedEncoders } from './session.js';

/** A hub that has nothing, and writes down who asks. */
async function startHub(): Promise<readonly string[]> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('HF_TOKEN', 'secret');
  vi.stubEnv('HF_HUB_CACHE', await temporaryFolder());
  return asked;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-recorded-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function configOf(image: string, trainable = false) {
  const encoders = { image, trainable: { image: trainable } };
  return parseExperiment(
    { name: 'x', method: 'drf', dataset: { name: 'embedded' }, engine: 'eager:cpu', encoders },
    'a test',
  );
}

async function failure(image: string, allowDownload?: boolean, trainable = false): Promise<Error> {
  const recorded: RecordedEncoders = {
    ids: { image: 'huggingface:image::0123456789ab:cls:v1', text: 'embedded' },
    allowDownload,
  };
  const config = configOf(image, trainable);
  const attempt = trainable ? openTrainedEncoders(config, recorded) : startSession(config, { recorded });
  return attempt.then(
    () => expect.fail('it opened'),
    (error: unknown) => error as Error,
  );
}

describe('the encoders that a run names', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each(['someone/model', 'huggingface:someone/model', 'transformers:someone/model'])(
    'are not asked for on the hub unless that is allowed: %s',
    async (name) => {
      const asked = await startHub();
      const error = await failure(name);
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error.message).toContain('--allow-download');
      expect(asked).toEqual([]);
    },
  );

  it('are asked for where it is allowed', async () => {
    const asked = await startHub();
    expect((await failure('someone/model', true)).message).not.toContain('--allow-download');
    expect(asked).toEqual(['/api/models/someone/model/revision/main Bearer secret']);
  });

  it('that were trained are not asked for either', async () => {
    const asked = await startHub();
    expect((await failure('someone/model', undefined, true)).message).toContain('--allow-download');
    expect(asked).toEqual([]);
  });

  it.each(['huggingface:', 'transformers:'])('are not read out of a folder with other files: %s', async (prefix) => {
    const folder = await temporaryFolder();
    for (const file of ['config.json', 'preprocessor_config.json'])
      await writeFile(join(folder, file), 'a private note');
    const error = await failure(`${prefix}${folder}`);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(`Model folder ${folder} expected the files of the encoder`);
    expect(error.message).not.toContain('private');
  });
});

it('compute in the precision that the experiment says, on the engine that can', async () => {
  const folder = await writeTinyBert(await temporaryFolder());
  const configFor = (engine: string) =>
    parseExperiment(
      { name: 'x', dataset: { name: 'embedded' }, engine, encoders: { text: folder, precision: { text: 'int8' } } },
      'a test',
    );
  const { text, dispose } = await startSession(configFor('compiled'));
  expect(text.id).toMatch(/^huggingface:text::.*:int8:v1$/);
  await dispose();
  await expect(startSession(configFor('eager:cpu'))).rejects.toThrow(
    'engine "eager:cpu", products, expected "float32", received "int8"',
  );
});
