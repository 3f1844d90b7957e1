import { expect, it } from 'vitest';
import { spell } from './spell.js';

const INSTALLED = 'file:///home/me/node_modules/@drf/terminal/dist/spell.js';
const GLOBALLY = { program: '/usr/bin/drf', npmCommand: undefined };

it('says commands as they are typed in the workspace', () => {
  expect(spell('train quickstart')).toBe('pnpm train quickstart');
  expect(spell('doctor --json')).toBe('pnpm run doctor --json');
  expect(spell('install')).toBe('pnpm install');
});

it('never says pnpm where the packages are installed', () => {
  expect(spell('train quickstart', INSTALLED, GLOBALLY)).toBe('drf train quickstart');
  expect(spell('doctor', INSTALLED, GLOBALLY)).toBe('drf doctor');
  expect(spell('install', INSTALLED, GLOBALLY)).toBe('npm install');
  expect(spell('tensorflow:install --gpu', INSTALLED, GLOBALLY)).toBe('tensorflow:install --gpu in a clone of the repository'); // prettier-ignore
});

it('says npx where npx started it, since drf alone is not on the path then', () => {
  const caller = { program: '/home/me/node_modules/.bin/drf', npmCommand: 'exec' };
  expect(spell('eval runs/mine', INSTALLED, caller)).toBe('npx drf eval runs/mine');
  expect(spell('install', INSTALLED, caller)).toBe('npm install');
});

it('says drf-predict where that is the command, and of other commands drf', () => {
  const caller = { program: '/home/me/node_modules/.bin/drf-predict', npmCommand: 'exec' };
  expect(spell('predict exported --text Look', INSTALLED, caller)).toBe('npx drf-predict exported --text Look');
  expect(spell('export RUN --out exported', INSTALLED, caller)).toBe('npx drf export RUN --out exported');
  expect(spell('serve', INSTALLED, { ...caller, npmCommand: undefined })).toBe('drf serve');
});
