// Speaks a worker's language and does what the experiment is called.
import { existsSync, writeFileSync } from 'node:fs';

process.on('message', (message) => {
  if (!('request' in message)) return;
  const { id, request } = message;
  const [what, file] = request.config.name.split('|');
  const answer = () => process.send({ id, value: { unreadable: [String(process.pid)] } });
  if (what === 'ok') answer();
  if (what === 'refuse') process.send({ id, failure: { message: 'Post 3 expected a label', isBug: false } });
  if (what === 'crash') process.kill(process.pid, 'SIGKILL');
  if (what === 'exit') {
    process.stderr.write('out of memory\n', () => process.exit(9));
  }
  if (what === 'crash-once') {
    if (existsSync(file)) answer();
    else {
      writeFileSync(file, '');
      process.kill(process.pid, 'SIGKILL');
    }
  }
});
process.on('disconnect', () => process.exit(0));
