// A resolve hook beside ts-node's, whose copy of Node's resolver is older than export patterns with an ending after the
// star (`"./src/*.js"`). What it refuses for that reason, Node's own resolver is asked for.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export async function resolve(specifier, context, nextResolve) {
  try {
    return await nextResolve(specifier, context);
  } catch (error) {
    const isPackagePath = String(error).includes('ERR_PACKAGE_PATH_NOT_EXPORTED') && !/^[./]/.test(specifier);
    if (!isPackagePath || context.parentURL === undefined) throw error;
    const url = pathToFileURL(createRequire(context.parentURL).resolve(specifier)).href;
    return { url, format: 'module', shortCircuit: true };
  }
}
