import { describe, expect, it } from 'vitest';
import { ConfigurationError, ENGINE_NAMES, EXECUTION_PROVIDERS } from '@drf/tensor';
import { Command } from './index.js';
import { engineOption, parseEngineName } from './engine-name.js';

describe('parseEngineName', () => {
  it('reads every name', () => {
    expect(parseEngineName('auto')).toEqual({ kind: 'auto' });
    expect(parseEngineName('compiled')).toEqual({ kind: 'compiled', provider: 'cpu' });
    expect(parseEngineName('compiled:cuda')).toEqual({ kind: 'compiled', provider: 'cuda' });
    expect(parseEngineName('eager:wasm')).toEqual({ kind: 'eager', backend: 'wasm' });
    for (const name of ENGINE_NAMES) expect(parseEngineName(name).kind).toBe(name.split(':')[0]);
    for (const provider of EXECUTION_PROVIDERS) expect(ENGINE_NAMES).toContain(`compiled:${provider}`);
  });

  it.each([
    ['compild:cuda', 'did you mean "compiled:cuda"?'],
    ['compiled:cud', 'did you mean "compiled:cuda"?'],
    ['webgpu', 'did you mean "compiled:webgpu"?'],
    ['compiled:', 'did you mean "compiled"?'],
    ['abacus-2000', `choose one of ${ENGINE_NAMES.join(', ')}`],
  ])('refuses %s, with what was meant', (name, remedy) => {
    expect(() => parseEngineName(name, 'Here')).toThrow(ConfigurationError);
    expect(() => parseEngineName(name, 'Here')).toThrow(/^Here expected one of "auto", "compiled", /);
    expect(() => parseEngineName(name)).toThrow(`received "${name}"; ${remedy}`);
  });
});

describe('engineOption', () => {
  const parse = (option: ReturnType<typeof engineOption>, ...argv: string[]): unknown =>
    new Command().exitOverride().configureOutput({ writeErr: () => undefined }).addOption(option).parse(argv, { from: 'user' }).opts()['engine']; // prettier-ignore

  it('takes names of engines, and has a default or says it in words', () => {
    expect(parse(engineOption('auto'), '--engine', 'compiled:webgpu')).toBe('compiled:webgpu');
    expect(parse(engineOption('auto'))).toBe('auto');
    expect(parse(engineOption({ note: 'that of the run' }))).toBeUndefined();
    expect(engineOption({ note: 'that of the run' }).description).toMatch(
      /compiled:cuda, .* \(default: that of the run\)$/,
    );
    expect(() => parse(engineOption('auto'), '--engine', 'dml')).toThrow('did you mean "compiled:dml"?');
  });
});
