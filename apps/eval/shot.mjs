import { chromium } from 'playwright-core';
const [, , file, out] = process.argv;
const b = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
  timeout: 120000,
});
for (const [name, w, h, scheme] of [
  ['light', 1200, 900, 'light'],
  ['dark', 1200, 900, 'dark'],
  ['phone', 390, 844, 'light'],
]) {
  const c = await b.newContext({ viewport: { width: w, height: h }, colorScheme: scheme });
  const p = await c.newPage();
  p.on('console', (m) => console.log(name, m.type(), m.text()));
  p.on('pageerror', (e) => console.log(name, 'ERR', e.message));
  p.on('request', (r) => {
    if (!r.url().startsWith('file:') && !r.url().startsWith('data:')) console.log('REQ', r.url());
  });
  await p.goto('file://' + file);
  console.log(
    name,
    await p.evaluate(() => [document.documentElement.scrollWidth, innerWidth, document.documentElement.scrollHeight]),
  );
  const total = await p.evaluate(() => document.documentElement.scrollHeight);
  const step = name === 'phone' ? 2400 : 2400;
  let i = 0;
  for (let y = 0; y < total && i < 6; y += step, i++)
    await p.screenshot({
      path: `${out}-${name}-${i}.png`,
      fullPage: true,
      clip: { x: 0, y, width: w, height: Math.min(step, total - y) },
    });
  await c.close();
}
await b.close();
