export { createDoctorProgram } from './program.js';
