/** The variable that ONNX Runtime reads when its first session starts. */
const SWITCH = 'ORT_DISABLE_TELEMETRY';

/**
 * Keeps ONNX Runtime from recording its use: since 1.30 it writes a device number and events to a database in the
 * user's cache folder, to be sent to its makers, unless told not to. Who wants that sets `ORT_DISABLE_TELEMETRY=0`.
 * Must run before the first session of the process, in the main thread: the environment of a worker thread is a copy
 * that native code does not see.
 */
export function disableTelemetry(): void {
  process.env[SWITCH] ??= '1';
}
