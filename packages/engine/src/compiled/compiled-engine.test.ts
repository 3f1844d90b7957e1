import { describe } from 'vitest';
import { describeEngineContract } from '../engine.contract.js';
import { createCompiledEngine } from './compiled-engine.js';

describeEngineContract('compiled', () => createCompiledEngine());

describe('with constants outside the graph', () => {
  describeEngineContract('compiled', () => createCompiledEngine({ writtenBytes: 0 }));
});
