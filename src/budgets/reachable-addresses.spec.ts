import { ReachableAddresses } from './reachable-addresses';

describe('addresses that webhooks reach', () => {
  it.each([
    '127.0.0.1', '127.8.9.1', '0.0.0.0', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254',
    '100.64.0.1', '192.0.2.1', '198.18.0.1', '224.0.0.1', '255.255.255.255',
    '::', '::1', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'ff02::1', '2001:db8::1', '2002:7f00:1::', '64:ff9b::7f00:1',
    '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '::FFFF:10.0.0.1',
  ])('are not %s', (address) => {
    expect(new ReachableAddresses([]).includes(address)).toBe(false);
  }); // prettier-ignore

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
    'are %s',
    (address) => {
      expect(new ReachableAddresses([]).includes(address)).toBe(true);
    },
  );

  it('are those of allowed networks, and no others beside them', () => {
    const reachable = new ReachableAddresses(['10.1.0.0/16', 'fd00::/8']);
    expect(['10.1.2.3', 'fd00::5', '::ffff:10.1.2.3'].map((address) => reachable.includes(address))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['10.2.0.1', 'fe80::1', '127.0.0.1'].some((address) => reachable.includes(address))).toBe(false);
  });
});
