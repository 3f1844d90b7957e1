import { decodeImage } from '@drf/preprocessing';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { HeldJudge, INFO, instantJudge, judgmentOf, openService, openSocketService } from './testing/service.js';

const PATH = '/v2/models/tiny/infer';

let png: string;
beforeAll(async () => {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const image = sharp({ create: { width: 20, height: 10, channels: 3, background: '#000', noise } });
  png = (await image.png().toBuffer()).toString('base64');
});

const tensor = (name: string, data: readonly unknown[], shape: readonly number[] = [data.length]) => ({
  name,
  shape,
  datatype: 'BYTES',
  data,
});

async function infer(payload: object, options: Parameters<typeof openService>[0] = {}, url = PATH, headers = {}) {
  const app = await openService(options);
  return app.inject({ method: 'POST', url, payload, headers });
}

describe('POST /v2/models/NAME/infer', () => {
  it('judges as POST /v1/predict does; an empty element is missing', async () => {
    const side = { width: 8, height: 8, fit: 'stretch', maximumPixels: 1e6 } as const;
    const image = await decodeImage('test', Buffer.from(png, 'base64'), side);
    const inputs = [tensor('text', ['a', '', 'both']), tensor('image', ['', png, png], [3, 1])];
    const response = await infer({ id: '42', inputs });
    const expected = [
      judgmentOf({ text: 'a', image: null }),
      judgmentOf({ text: null, image }),
      judgmentOf({ text: 'both', image }),
    ];
    expect([response.statusCode, response.headers['x-model-version']]).toEqual([200, '0']);
    expect(response.json()).toEqual({
      model_name: 'tiny',
      model_version: '0',
      id: '42',
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [3], data: expected.map(({ label }) => label) },
        {
          name: 'probabilities',
          datatype: 'FP32',
          shape: [3, 2],
          parameters: { classes: '["positive","negative"]' },
          data: expected.flatMap(({ probabilities: { positive, negative } }) => [positive, negative]),
        },
        {
          name: 'quality',
          datatype: 'FP32',
          shape: [3, 2],
          data: expected.flatMap(({ quality }) => [quality.image ?? -1, quality.text ?? -1]),
        },
        {
          name: 'intact',
          datatype: 'FP32',
          shape: [3, 2],
          data: expected.flatMap(({ intact }) => [intact.image ?? -1, intact.text ?? -1]),
        },
      ],
    });
    expect(response.payload).toContain('-1'); // what JSON has no NaN for
  });

  it('gives the outputs that are asked for, at a version, and takes parameters', async () => {
    const request = {
      parameters: { binary_data_output: true },
      inputs: [tensor('text', [['a'], ['b']], [2, 1])],
      outputs: [{ name: 'label', parameters: { binary_data: false } }],
    };
    const response = await infer(request, {}, '/v2/models/tiny/versions/0/infer');
    expect(response.json<{ outputs: object[] }>().outputs).toEqual([
      { name: 'label', datatype: 'BYTES', shape: [2], data: ['a', 'b'].map((text) => judgmentOf({ text, image: null }).label) },
    ]); // prettier-ignore
    expect(response.json()).not.toHaveProperty('id');
  });

  it('takes a body without a type for JSON, as clients of Triton send it', async () => {
    const { address } = await openSocketService();
    const body = Buffer.from(JSON.stringify({ inputs: [tensor('text', ['a'])] })); // of bytes, fetch names no type
    expect((await fetch(`${address}${PATH}`, { method: 'POST', body })).status).toBe(200);
    expect((await fetch(`${address}/v1/predict`, { method: 'POST', body })).status).toBe(415);
  });

  it.each([
    [{ inputs: [] }, 422, 'The request, inputs expected text, image, or both, received none; see GET /v2/models/NAME and /openapi.json'],
    [{ inputs: [tensor('text', ['a'], [2])] }, 422, 'The request, input text expected 2 elements, as its shape says, received 1'],
    [{ inputs: [tensor('text', [['a', 'b'], []])] }, 422, 'The request, input text expected a list of texts, as its shape says, received another list within it, as element 0'],
    [{ inputs: [tensor('text', [['a', 'b'], []], [2, 1])] }, 422, 'The request, input text expected rows of one element, as its shape says, received another list within it, as element 0'],
    [{ inputs: [tensor('text', ['a', 'b'], [1, 2])] }, 422, 'expected shape [n] or [n, 1] with n from 1 to 32, received [1, 2]'],
    [{ inputs: [tensor('text', [], [0])] }, 422, 'with n from 1 to 32, received [0]'],
    [{ inputs: [tensor('text', Array(33).fill('a'))] }, 422, 'with n from 1 to 32, received [33]'],
    [{ inputs: [tensor('text', ['a', 'b']), tensor('image', [''])] }, 422, 'expected as many texts as images, received 2 and 1'],
    [{ inputs: [tensor('text', ['a']), tensor('text', ['b'])] }, 422, 'expected each input once, received text twice'],
    [{ inputs: [tensor('words', ['a'])] }, 422, 'The request, inputs.0.name expected a value as /openapi.json describes it'],
    [{ inputs: [{ ...tensor('text', ['a']), datatype: 'FP32' }] }, 422, 'The request, inputs.0.datatype'],
    [{ inputs: [tensor('text', [1])] }, 422, 'The request, inputs.0.data.0'],
    [{ inputs: [tensor('text', ['a', ' '])] }, 422, 'Post 1 of the request expected text or an image, or both, received neither'],
    [{ inputs: [tensor('image', ['no image'])] }, 422, 'Post 0 of the request, image expected the bytes of an image in base64'],
    [{ inputs: [tensor('text', ['a'])], outputs: [{ name: 'label' }, { name: 'label' }] }, 422, 'expected each output once'],
    [{ inputs: [tensor('text', ['a'])], outputs: [{ name: 'mood' }] }, 422, 'The request, outputs.0.name'],
    [{ inputs: [tensor('text', ['a'])], more: 1 }, 422, 'expected no other fields than those of /openapi.json, received "more"'],
  ])('refuses %j by the error of the protocol', async (request, status, message) => {
    const response = await infer(request);
    expect([response.statusCode, response.headers['content-type']]).toEqual([status, 'application/json; charset=utf-8']);
    expect(response.json()).toEqual({ error: expect.stringContaining(message) as string });
  }); // prettier-ignore

  it('refuses binary tensors, other models and versions, and who has no token', async () => {
    const request = { inputs: [tensor('text', ['a'])] };
    const binary = await infer(request, {}, PATH, { 'inference-header-content-length': '10' });
    expect([binary.statusCode, binary.json<{ error: string }>().error]).toEqual([415, 'The request expected tensors of type application/json, received its extension for binary data; send tensors as JSON (tritonclient: binary_data=False)']); // prettier-ignore
    for (const [url, expected] of [
      ['/v2/models/other/infer', 'the model tiny, received "other"'],
      ['/v2/models/tiny/versions/7/infer', 'version 0 of the model, received "7"'],
    ] as const) {
      const response = await infer(request, {}, url);
      expect([response.statusCode, response.json()]).toEqual([404, { error: expect.stringContaining(expected) as string }]); // prettier-ignore
    }
    const token = 'a-long-enough-token';
    expect((await infer(request, { token })).json()).toEqual({ error: expect.stringContaining('Authorization') as string }); // prettier-ignore
    expect((await infer(request, { token }, PATH, { authorization: `Bearer ${token}` })).statusCode).toBe(200);
  });

  it('takes one place in the line for each post', async () => {
    const judge = new HeldJudge();
    const app = await openService({ judge, limits: { waitingPosts: 3, batchPosts: 4 } });
    const ask = (count: number) => app.inject({ method: 'POST', url: PATH, payload: { inputs: [tensor('text', Array(count).fill('a'))] } }); // prettier-ignore
    const busy = await ask(4);
    expect([busy.statusCode, busy.headers['retry-after'], busy.json()]).toEqual([503, '1', { error: expect.stringContaining('posts waiting') as string }]); // prettier-ignore
    const two = ask(2);
    await judge.answerOne();
    await judge.answerOne();
    expect((await two).statusCode).toBe(200);
  });
});

describe('the rest of the protocol', () => {
  it('describes server, model and readiness', async () => {
    const app = await openService({ judge: { ...instantJudge, info: { ...INFO, name: 'a + b' } } });
    const get = async (url: string) => (await app.inject({ url })).json<object>();
    expect(await get('/v2')).toEqual({ name: 'drf', version: expect.stringMatching(/^\d/) as string, extensions: [] });
    expect(await get('/v2/health/live')).toEqual({ live: true });
    expect(await get('/v2/health/ready')).toEqual({ ready: true, live: true });
    expect(await get('/v2/models/a%20%2B%20b')).toMatchObject({
      name: 'a + b',
      versions: ['0'],
      platform: 'drf_eager:cpu',
      inputs: [
        { name: 'image', datatype: 'BYTES', shape: [-1] },
        { name: 'text', datatype: 'BYTES', shape: [-1] },
      ],
      outputs: [
        { name: 'label' },
        { name: 'probabilities', shape: [-1, 2] },
        { name: 'quality', shape: [-1, 2] },
        { name: 'intact', shape: [-1, 2] },
      ],
    });
    expect(await get('/v2/models/a%20%2B%20b/versions/0/ready')).toEqual({ name: 'a + b', ready: true });
    const other = await app.inject({ url: '/v2/models/a' });
    expect([other.statusCode, other.json()]).toEqual([404, { error: expect.stringContaining('the model a + b') as string }]); // prettier-ignore
  });

  it('is called as the service was told', async () => {
    const app = await openService({ modelName: 'mood' });
    expect((await app.inject({ url: '/v2/models/mood' })).json()).toMatchObject({ name: 'mood' });
    const answer = await app.inject({ method: 'POST', url: '/v1/predict', payload: { text: 'a' } });
    expect(answer.json()).toMatchObject({ model: { name: 'mood', version: '0' } });
  });

  it('answers 405 with what a path takes, and health without a token', async () => {
    const app = await openService({ token: 'a-long-enough-token' });
    for (const [method, url, status, allow] of [
      ['GET', PATH, 405, 'POST, OPTIONS'],
      ['OPTIONS', PATH, 204, 'POST, OPTIONS'],
      ['POST', '/v2/models/tiny', 405, 'GET, HEAD, OPTIONS'],
      ['GET', '/v2/health/ready', 200, undefined],
      ['GET', '/v2', 401, undefined],
      ['GET', '/v2/modelsx', 404, undefined],
    ] as const) {
      const response = await app.inject({ method, url });
      expect([url, response.statusCode, response.headers.allow]).toEqual([url, status, allow]);
    }
    expect((await app.inject({ url: '/v2/modelsx' })).json()).toHaveProperty('error');
  });
});
