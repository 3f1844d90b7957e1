// The program of a judge's process. The parent says when it is to end: signals to the whole group (Ctrl-C) are for the
// parent alone, from the first moment on; all that takes time to load comes after that.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));

await import('./answering.js');
