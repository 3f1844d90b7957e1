import { expect, it } from 'vitest';
import { clientOf, Holdings, loggedAddress, shareOf } from './admission.js';

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['', ''],
])('takes %s for %s', (address, client) => expect(clientOf(address)).toBe(client));

it('gives a share, at least what one request needs, and at most all', () => {
  expect([shareOf(100, 0.5, 10), shareOf(100, 0.05, 10), shareOf(100, 1, 10), shareOf(5, 0.5, 10)]).toEqual([50, 10, 100, 5]); // prettier-ignore
});

it('forgets who holds nothing', () => {
  const holdings = new Holdings();
  holdings.add('a', 3);
  holdings.add('a', -1);
  expect([holdings.of('a'), holdings.of('b')]).toEqual([2, 0]);
  holdings.add('a', -2);
  expect(holdings).toEqual(new Holdings());
});

it.each(['evil\u009b2J', '192.0.2.1, 192.0.2.2', 'unknown', ''])('logs no %j as an address', (address) => {
  expect(loggedAddress(address)).toBe('no address');
});
