export { sumOverRanks, type Collective } from './collective.js';
export { CollectiveError, inProcess } from './in-process.js';
export { openMpi, type MpiOptions } from './mpi.js';
export { loadMpi, type MpiLibrary } from './mpi-library.js';
