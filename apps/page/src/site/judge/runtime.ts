import module from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import binary from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';

/** Addresses of ONNX Runtime's own files, which it loads by itself (its threads load the module again). */
export const runtimeFiles = { mjs: new URL(module, import.meta.url).href, wasm: new URL(binary, import.meta.url).href };
