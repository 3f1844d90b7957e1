import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import { encoderOfRun, exportEncoder } from '@drf/export';
import { openEmbedder, openRun, parseExperiment, RunFolder } from '@drf/experiment';
import { readSafetensors } from '@drf/files';
import { openJudge } from '@drf/judge';
import { createDisplay, openOwnData, train } from '@drf/training';
import { embedFile } from './embed-file.js';
import { createEmbedProgram } from './program.js';

interface Row {
  readonly row: number;
  readonly id: string;
  readonly image_feature: number[] | null;
  readonly text_feature: number[] | null;
  readonly fused_feature?: number[];
  readonly has_image: boolean;
  readonly has_text: boolean;
}

let folder: string;
let encoders: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-embed-'));
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  encoders = ['--encoders.image', await writeTinyVit(join(folder, 'vit')), '--encoders.text', await writeTinyBert(join(folder, 'bert')), '--engine', 'eager:cpu']; // prettier-ignore
  const images = ['red', 'green', 'blue'];
  for (const background of images) {
    const image = sharp({ create: { width: 20, height: 16, channels: 3, background } });
    await writeFile(join(folder, `${background}.png`), await image.png().toBuffer());
  }
  const words = ['good day', 'bad movie', 'the day'];
  const rows = Array.from({ length: 30 }, (_, i) => {
    if (i === 4) return `p${i},,,good`; // neither
    if (i === 9) return `p${i},a,missing.png,bad`;
    const [text, image] = [i % 5 === 1 ? '' : `${words[i % 3]} ${'!'.repeat(i % 4)}`, i % 7 === 2 ? '' : `${images[i % 3]}.png`]; // prettier-ignore
    return `p${i},${text},${image},${i % 2 === 0 ? 'good' : 'bad'}`;
  });
  await writeFile(join(folder, 'posts.csv'), ['id,text,image,label', ...rows].join('\n'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function embed(
  out: string,
  ...args: string[]
): Promise<{ readonly result: Record<string, unknown>; out: string }> {
  const printed: string[] = [];
  const program = createEmbedProgram((text) => void printed.push(text)).exitOverride();
  const path = join(folder, out);
  await program.parseAsync([join(folder, 'posts.csv'), '--out', path, '--json', ...args], { from: 'user' });
  return { result: JSON.parse(printed.join('')) as Record<string, unknown>, out: path };
}

async function rowsOf(path: string): Promise<Row[]> {
  return (await parquetReadObjects({ file: await asyncBufferFromFile(path) })) as Row[];
}

describe('embed', () => {
  it('writes a row a post, null for what it lacks, and lists rows that cannot be read', async () => {
    const { result, out } = await embed('a.parquet', ...encoders, '--no-cache');
    expect(result).toMatchObject({ outcome: 'finished', rows: 30, embedded: 27, rejected: 3, widths: { image: 8, text: 8 }, present: { image: 25, text: 22 } }); // prettier-ignore
    const rows = await rowsOf(out);
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, i) => `p${i}`).filter((id) => !['p4', 'p9', 'p16'].includes(id))); // prettier-ignore
    expect(rows.map(({ row }) => row).slice(3, 6)).toEqual([4, 6, 7]);
    for (const { image_feature: image, text_feature: text, has_image, has_text } of rows) {
      expect([image?.length ?? 0, text?.length ?? 0]).toEqual([has_image ? 8 : 0, has_text ? 8 : 0]);
    }
    expect(rows[2]).toMatchObject({ id: 'p2', has_image: false, has_text: true });
    const { key_value_metadata: metadata } = await parquetMetadataAsync(await asyncBufferFromFile(out));
    expect(metadata?.map(({ key }) => key)).toEqual(['drf.image_encoder', 'drf.text_encoder']);
    const side = (await readFile(`${out}.rejected.jsonl`, 'utf8')).trimEnd().split('\n');
    expect(side.map((line) => JSON.parse(line) as object)).toMatchObject([
      { row: 5, id: 'p4', reason: 'missing image and text' },
      { row: 10, id: 'p9', reason: 'missing image' },
      { row: 17, id: 'p16', reason: 'missing image and text' },
    ]);
    expect((await readdir(folder)).filter((name) => /temporary|lock/.test(name))).toEqual([]);
  });

  it('says how a run is named to those who name it first, as other commands take it', async () => {
    const program = createEmbedProgram().exitOverride();
    await expect(program.parseAsync(['runs/mine', 'posts.csv', '--out', 'a.parquet'], { from: 'user' })).rejects.toThrow(/a run is named by --run runs\/mine/); // prettier-ignore
  });

  it('gives the same numbers as matrices, with ids beside', async () => {
    const { out } = await embed('b.safetensors', ...encoders, '--no-cache');
    const rows = await rowsOf((await embed('b.parquet', ...encoders, '--no-cache')).out);
    const { tensors, metadata } = await readSafetensors(out);
    expect(JSON.parse(await readFile(`${out}.ids.json`, 'utf8'))).toEqual(rows.map(({ id }) => id));
    for (const modality of ['image', 'text'] as const) {
      const flat = rows.flatMap((row) => row[`${modality}_feature`] ?? new Array<number>(8).fill(0));
      expect(tensors.get(`${modality}_feature`)).toMatchObject({ shape: [27, 8], data: Float32Array.from(flat) });
      const present = rows.map((row) => Number(row[`has_${modality}`]));
      expect(tensors.get(`has_${modality}`)).toMatchObject({ shape: [27], data: Int32Array.from(present) });
    }
    expect(metadata['text_encoder']).toMatch(/^huggingface:/);
  });

  it('encodes each content once', async () => {
    const cache = join(folder, 'cache');
    const encoded: number[] = [];
    const file = async (out: string): Promise<void> => {
      const config = parseExperiment({ name: 'x', engine: 'eager:cpu', dataset: { name: 'embedded' }, encoders: { image: join(folder, 'vit'), text: join(folder, 'bert') } }, 'test'); // prettier-ignore
      const embedder = await openEmbedder({ config, imageSize: 224 });
      let last = 0;
      await embedFile({ embedder, input: join(folder, 'posts.csv'), out: join(folder, out), overwrite: false, cache, onEncoded: (count) => void (last = count) }); // prettier-ignore
      await embedder.dispose();
      encoded.push(last);
    };
    await file('c.parquet');
    await file('d.parquet');
    expect(encoded).toEqual([3 + 11, 0]); // three images, texts as often as they differ
    expect(await rowsOf(join(folder, 'd.parquet'))).toEqual(await rowsOf(join(folder, 'c.parquet')));
  });

  it('writes nothing when it is interrupted, and goes on from the cache', async () => {
    const config = parseExperiment({ name: 'x', engine: 'eager:cpu', dataset: { name: 'embedded' }, encoders: { image: join(folder, 'vit'), text: join(folder, 'bert') } }, 'test'); // prettier-ignore
    const embedder = await openEmbedder({ config, imageSize: 224 });
    const controller = new AbortController();
    const out = join(folder, 'stopped.safetensors');
    const options = { embedder, input: join(folder, 'many.jsonl'), out, overwrite: false };
    const lines = Array.from({ length: 200 }, (_, i) =>
      JSON.stringify({ id: String(i), text: '!'.repeat(1 + (i % 9)) }),
    );
    await writeFile(options.input, lines.join('\n'));
    const stopped = await embedFile({ ...options, signal: controller.signal, onProgress: (done) => void (done === 70 && controller.abort()) }); // prettier-ignore
    expect(stopped.outcome).toBe('interrupted');
    expect((await readdir(folder)).filter((name) => name.startsWith('stopped'))).toEqual([]);
    expect(await embedFile(options)).toMatchObject({
      outcome: 'finished',
      embedded: 200,
      present: { image: 0, text: 200 },
    });
    expect((await readSafetensors(out)).tensors.get('image_feature')?.shape).toEqual([200, 8]);
    await embedder.dispose();
  });

  it('takes the encoders of a run as it left them, and its head', async () => {
    const base = { name: 'tiny', engine: 'eager:cpu', encoders: { image: join(folder, 'vit'), text: join(folder, 'bert'), trainable: { text: true } }, model: { dim: 6, queueCapacity: 8, discriminants: 0 }, training: { epochs: 1, batchSize: 8, encoderLearningRate: 1e-2 } }; // prettier-ignore
    const { config, data } = await openOwnData({
      files: [join(folder, 'posts.csv')],
      experiment: base,
      overrides: { dataset: { imageSize: 16 } },
    });
    const run = await RunFolder.create(join(folder, 'run'), { overwrite: false });
    await train({ config, run, resume: false, cache: join(folder, 'run-cache'), display: createDisplay(true), services: { openData: async () => data } }); // prettier-ignore

    const features = await rowsOf((await embed('run.parquet', '--run', run.path, '--engine', 'eager:cpu', '--no-cache')).out); // prettier-ignore
    const embedder = await openEmbedder({ run: run.path, engine: 'eager:cpu' });
    let encoded = -1;
    await embedFile({ embedder, input: join(folder, 'posts.csv'), out: join(folder, 'shared.parquet'), overwrite: false, cache: join(folder, 'run-cache'), onEncoded: (count) => void (encoded = count) }); // prettier-ignore
    await embedder.dispose();
    expect(encoded).toBe(11); // texts, by the encoder that was trained; the training has encoded the images
    const trained = await encoderOfRun(run.path, 'text');
    await exportEncoder(trained.model, 'text', { out: join(folder, 'trained-bert'), ...trained });
    const same = ['--encoders.image', join(folder, 'vit'), '--encoders.text', join(folder, 'trained-bert'), '--engine', 'eager:cpu', '--dataset.image-size', '16']; // prettier-ignore
    const expected = await rowsOf((await embed('same.parquet', ...same, '--no-cache')).out);
    const untrained = await rowsOf(join(folder, 'a.parquet'));
    const texts = (rows: Row[]): number[] => rows.flatMap(({ text_feature: text }) => text ?? []);
    const distance = (a: number[], b: number[]): number => Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number)))); // prettier-ignore
    expect(distance(texts(features), texts(expected))).toBeLessThan(1e-4);
    expect(distance(texts(features), texts(untrained))).toBeGreaterThan(1e-2);
    expect(features.map((row) => row.image_feature)).toEqual(expected.map((row) => row.image_feature));

    const heads = await rowsOf((await embed('head.parquet', '--run', run.path, '--what', 'head', '--engine', 'eager:cpu', '--no-cache')).out); // prettier-ignore
    const { parameters, description } = await openRun(run.path);
    const { kernel, bias } = (parameters.trained as unknown as { classifier: Record<'kernel' | 'bias', { data: Float32Array }> }).classifier; // prettier-ignore
    const judge = await openJudge(run.path, { engine: 'eager:cpu' });
    for (const [i, text] of [
      [0, 'good day '],
      [2, 'the day !!'],
    ] as const) {
      const fused = heads[i]?.fused_feature as number[];
      expect(fused).toHaveLength(6);
      const logits = description.classes.map((_, c) => fused.reduce((sum, value, d) => sum + value * (kernel.data[d * 2 + c] as number), bias.data[c] as number)); // prettier-ignore
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
      const image = i === 2 ? null : { width: 16, height: 16, data: new Uint8Array(768).map((_, p) => (p % 3 === 0 ? 255 : 0)) }; // prettier-ignore
      const { probabilities } = await judge.judge({ text, image });
      description.classes.forEach((name, c) => expect(probabilities[name]).toBeCloseTo(Math.exp(logits[c] as number) / total, 4)); // prettier-ignore
    }
    expect(heads[2]).toMatchObject({ has_image: false, has_text: true });
    expect(heads[2]?.image_feature ?? null).toBeNull();
    await judge.close();
  });

  it.each([
    [['--what', 'head'], /--what head with --run only/],
    [
      ['--run', 'x', '--encoders.text', 'embedded'],
      /expected --run, which has its own encoders and image size, received --encoders/,
    ],
    [['--encoders.txt', 'x'], /unknown option '--encoders.txt'/],
    [['--out', 'x.csv'], /--out expected a file that ends in .parquet or .safetensors, received x.csv/],
  ])('refuses %j', async (args, message) => {
    const program = createEmbedProgram(() => undefined).exitOverride().configureOutput({ writeErr: () => undefined }); // prettier-ignore
    await expect(program.parseAsync([join(folder, 'posts.csv'), '--out', join(folder, 'x.parquet'), ...args], { from: 'user' })).rejects.toThrow(message); // prettier-ignore
  });
});
