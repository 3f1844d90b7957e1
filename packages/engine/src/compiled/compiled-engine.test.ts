import { describeEngineContract } from '../engine.contract.js';
import { createCompiledEngine } from './compiled-engine.js';

describeEngineContract('compiled', () => createCompiledEngine());
