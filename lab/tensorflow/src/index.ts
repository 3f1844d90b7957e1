export { install, type Installed, type InstallRequest, type Source } from './install.js';
export { KNOWN_WHEELS, RECOMMENDED_VERSION } from './known-wheels.js';
export type { Checked, Tools } from './tools.js';
