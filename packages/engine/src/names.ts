/** What `--engine` accepts. */
export const ENGINE_NAMES = ['auto', 'compiled', 'eager:tensorflow', 'eager:wasm', 'eager:cpu'] as const;
/** One of {@link ENGINE_NAMES}. */
export type EngineName = (typeof ENGINE_NAMES)[number];
