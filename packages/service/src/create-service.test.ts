import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createService } from './create-service.js';
import { modelSchema, type Problem } from './schemas.js';
import { INFO, openService } from './testing/service.js';

let base: string;
let page: string;
let exported: string;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'drf-service-'));
  page = join(base, 'page');
  exported = join(base, 'exported');
  await mkdir(join(page, 'assets'), { recursive: true });
  await mkdir(exported);
  await writeFile(join(page, 'index.html'), '<!doctype html><title>DRF</title>');
  await writeFile(join(page, 'assets', 'index-Bz3k9fQx.js'), 'export {};');
  await writeFile(join(page, 'assets', 'ort.wasm'), Buffer.from('0061736d', 'hex'));
  await writeFile(join(page, '.secret'), 'hidden');
  await writeFile(join(base, 'outside.txt'), 'outside');
  await symlink(join(base, 'outside.txt'), join(page, 'link.txt'));
  await symlink(page, join(page, 'assets', 'circle'));
  await writeFile(join(exported, 'card.json'), '{}');
  await writeFile(join(exported, 'model.onnx'), 'onnx');
});
afterAll(() => rm(base, { recursive: true, force: true }));

describe('GET /v1/model', () => {
  it('says what a page needs', async () => {
    const app = await openService();
    const model = modelSchema.parse((await app.inject({ url: '/v1/model' })).json());
    expect(model).toMatchObject({
      classes: ['positive', 'negative'],
      method: 'drf',
      encoders: { image: 'tiny-image', text: 'tiny-text' },
      run: 'tiny',
      checkpoint: 'step-1.safetensors',
      engine: 'eager:cpu',
      imageSize: 8,
      maskToken: '[MASK]',
      calibration: { temperature: 1.5, quality: { image: [-2, -1, 0], text: null } },
      mode: 'server',
      predicts: true,
      authentication: 'none',
      files: [],
    });
    expect(model.limits.textCharacters).toBe(10_000);
  });

  it('tells the page to judge by itself where there is an exported folder, with a judge or without', async () => {
    const app = await openService({ judge: null, info: INFO, browserModel: exported });
    const model = modelSchema.parse((await app.inject({ url: '/v1/model' })).json());
    expect(model).toMatchObject({ mode: 'browser', predicts: false, files: ['card.json', 'model.onnx'] });
    const refused = await app.inject({ method: 'POST', url: '/v1/predict', payload: { text: 'a' } });
    expect([refused.statusCode, refused.json<Problem>().code]).toEqual([501, 'no-judge']);
    const both = await openService({ browserModel: exported });
    expect((await both.inject({ url: '/v1/model' })).json()).toMatchObject({ mode: 'browser', predicts: true });
    const file = await both.inject({ url: '/model/model.onnx' });
    expect([file.statusCode, file.payload, file.headers['content-type']]).toEqual([
      200,
      'onnx',
      'application/octet-stream',
    ]);
  });
});

describe('static files', () => {
  it.each([
    ['/', 'text/html; charset=utf-8', 'no-cache'],
    ['/index.html', 'text/html; charset=utf-8', 'no-cache'],
    ['/assets/index-Bz3k9fQx.js', 'application/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    ['/assets/ort.wasm', 'application/wasm', 'no-cache'],
  ])('serves %s with its type and how long it may be kept', async (url, type, caching) => {
    const app = await openService({ page });
    const { statusCode, headers } = await app.inject({ url });
    expect([statusCode, headers['content-type'], headers['cache-control']]).toEqual([200, type, caching]);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; /);
    const again = await app.inject({ url, headers: { 'if-none-match': headers.etag as string } });
    expect(again.statusCode).toBe(304);
  });

  it.each([
    '/../outside.txt',
    '/../../../../../../etc/passwd',
    '/%2e%2e/outside.txt',
    '/..%2foutside.txt',
    '/assets/..%2f..%2foutside.txt',
    '/..\\outside.txt',
    '//etc/passwd',
    '/link.txt',
    '/.secret',
    '/assets/',
    '/assets',
    '/assets/circle/index.html',
    '/index.html%00.png',
    '/nothing.html',
  ])('does not serve %s', async (url) => {
    const app = await openService({ page, browserModel: exported });
    for (const prefix of ['', '/model']) {
      const { statusCode, payload } = await app.inject({ url: prefix + url });
      expect([400, 404]).toContain(statusCode);
      expect(payload).not.toMatch(/outside|hidden|root:/);
    }
  });

  it('does not serve what came after the start', async () => {
    const app = await openService({ page });
    await writeFile(join(page, 'late.html'), 'late');
    expect((await app.inject({ url: '/late.html' })).statusCode).toBe(404);
    await rm(join(page, 'late.html'));
  });

  it('refuses a folder that is none', async () => {
    await expect(createService({ judge: null, page: join(base, 'no') })).rejects.toThrow(
      `The page’s folder expected a folder of files, received ${join(base, 'no')}, which is none; name another folder`,
    );
  });

  it.each(['gzip', 'br', 'gzip, deflate, br, zstd'])('serves the page to those who accept %s', async (accepted) => {
    const app = await openService({ page });
    const { statusCode, body } = await app.inject({ url: '/', headers: { 'accept-encoding': accepted } });
    expect([statusCode, body]).toEqual([200, (await app.inject({ url: '/index.html' })).body]);
  });

  it('has no page where none was named', async () => {
    expect((await (await openService()).inject({ url: '/' })).statusCode).toBe(404);
  });
});

describe('a token', () => {
  const token = 'abcdefghijklmnop';

  it.each(['/v1/model', '/metrics', '/model/card.json'])('is needed for %s', async (url) => {
    const app = await openService({ token, browserModel: exported });
    for (const [authorization, received] of [
      [undefined, 'none'],
      ['Basic abc', 'another scheme'],
      [`Bearer ${token}x`, 'a wrong token'],
      ['Bearer ', 'another scheme'],
    ] as const) {
      const headers = authorization === undefined ? {} : { authorization };
      const refused = await app.inject({ url, headers });
      expect([refused.statusCode, refused.headers['www-authenticate']]).toEqual([401, 'Bearer']);
      expect(refused.json<Problem>().detail).toBe(
        `The request expected the header "Authorization: Bearer TOKEN", received ${received}; ask whoever runs the service for its token`,
      );
    }
    expect((await app.inject({ url, headers: { authorization: `Bearer ${token}` } })).statusCode).toBe(200);
  });

  it('is asked for before a post is read', async () => {
    const app = await openService({ token });
    const refused = await app.inject({ method: 'POST', url: '/v1/predict', payload: 'no JSON' });
    expect(refused.statusCode).toBe(401);
  });

  it('is not needed for page, health and description', async () => {
    const app = await openService({ token, page });
    for (const url of ['/', '/healthz', '/readyz', '/openapi.json']) {
      expect((await app.inject({ url })).statusCode).toBe(200);
    }
    expect((await app.inject({ url: '/openapi.json' })).json()).toMatchObject({ security: [{ bearer: [] }] });
  });
});

describe('operation', () => {
  it('describes itself in valid OpenAPI, by the schemas that check', async () => {
    const app = await openService({ limits: { textCharacters: 77 } });
    const { payload } = await app.inject({ url: '/openapi.json' });
    const document = JSON.parse(payload) as OpenApi;
    expect(await new Validator().validate(JSON.parse(payload) as { [key: string]: unknown })).toEqual({ valid: true });
    expect(Object.keys(document.paths).sort()).toEqual(
      ['/healthz', '/metrics', '/readyz', '/v1/examples', '/v1/model', '/v1/predict', '/v1/predict/batch', '/v2', '/v2/health/live', '/v2/health/ready', ...['', '/versions/{version}'].flatMap((version) => ['', '/infer', '/ready'].map((rest) => `/v2/models/{name}${version}${rest}`))].sort(),
    ); // prettier-ignore
    const { content } = (document.paths['/v1/predict'] as OpenApi['paths'][string]).post.requestBody;
    expect(content['application/json'].schema).toMatchObject({ additionalProperties: false });
    expect(JSON.stringify(content['application/json'].schema)).toContain('"maxLength":77');
    expect(content['multipart/form-data'].schema.properties['image']).toMatchObject({ format: 'binary' });
  });

  it('counts requests by route and status, and judgments by label', async () => {
    const app = await openService();
    for (const text of ['a', 'b', '']) await app.inject({ method: 'POST', url: '/v1/predict', payload: { text } });
    await app.inject({ url: '/no-such-thing' });
    const { payload, headers } = await app.inject({ url: '/metrics' });
    expect(headers['content-type']).toMatch(/^text\/plain; version=0.0.4/);
    expect(payload).toContain('drf_requests_total{route="/v1/predict",method="POST",status="200"} 2');
    expect(payload).toContain('drf_requests_total{route="/v1/predict",method="POST",status="422"} 1');
    expect(payload).toContain('drf_requests_total{route="none",method="GET",status="404"} 1');
    expect(payload).toContain('drf_recovered_total{modality="image"} 2');
    expect(payload).toContain('drf_stage_seconds_count{stage="judge"} 2');
    expect(payload).toMatch(/process_resident_memory_bytes \d+/);
  });

  it.each([
    ['GET', '/v1/predict', 405, 'POST, OPTIONS'],
    ['DELETE', '/v1/model', 405, 'GET, HEAD, OPTIONS'],
    ['POST', '/healthz', 405, 'GET, HEAD, OPTIONS'],
    ['PUT', '/', 405, 'GET, HEAD, OPTIONS'],
    ['POST', '/assets/ort.wasm', 405, 'GET, HEAD, OPTIONS'],
    ['POST', '/model/card.json', 405, 'GET, HEAD, OPTIONS'],
    ['TRACE', '/healthz', 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/v1/predict/batch?a=b', 204, 'POST, OPTIONS'],
    ['OPTIONS', '/metrics', 204, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/*', 404, undefined],
    ['OPTIONS', '/no-such-thing', 404, undefined],
    ['POST', '/no-such-thing', 404, undefined],
    ['POST', '/.secret', 404, undefined],
    ['HEAD', '/no-such-thing', 404, undefined],
  ] as const)('answers %s %s with %i and Allow: %s', async (method, url, status, allow) => {
    const app = await openService({ page, browserModel: exported });
    const payload = method === 'POST' ? { headers: { 'content-type': 'no/such-type' }, payload: 'x'.repeat(100) } : {};
    const response = await app.inject({ method, url, ...payload });
    expect([response.statusCode, response.headers.allow]).toEqual([status, allow]);
  });

  it('says which method a known path takes', async () => {
    const app = await openService();
    const refused = await app.inject({ method: 'GET', url: '/v1/predict' });
    expect([refused.statusCode, refused.json<Problem>().detail]).toEqual([
      405,
      'The request expected POST, received GET; see /openapi.json',
    ]);
  });
});

interface OpenApi {
  readonly paths: {
    readonly [path: string]: {
      readonly post: {
        readonly requestBody: {
          readonly content: {
            readonly [type in 'application/json' | 'multipart/form-data']: {
              readonly schema: { readonly properties: { readonly [name: string]: object } };
            };
          };
        };
      };
    };
  };
}
