export { isObjectLocation, openStorage } from './open-storage.js';
