export { buildPage, pageFolder } from './build/build-page.js';
