export { hasMpirun } from './has-mpirun.js';
