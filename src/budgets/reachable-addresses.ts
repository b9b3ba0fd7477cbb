import { BlockList, isIP } from 'node:net';

/** Networks that are not of the public internet: IANA's special-purpose registries (RFC 6890), multicast, and 6to4 and NAT64, which wrap IPv4. */
const SPECIAL = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24',
  '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24',
  '224.0.0.0/4', '240.0.0.0/4',
  '::/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20',
  '5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8',
]; // prettier-ignore

/** The addresses of the public internet, and the networks that an operator allows beyond it. */
export class ReachableAddresses {
  private readonly special = listOf(SPECIAL);
  private readonly allowed: BlockList;

  constructor(allowedNetworks: readonly string[]) {
    this.allowed = listOf(allowedNetworks);
  }

  includes(address: string): boolean {
    const plain = withoutMapping(address);
    const family = isIP(plain) === 4 ? 'ipv4' : 'ipv6';
    return this.allowed.check(plain, family) || !this.special.check(plain, family);
  }
}

/** IPv4 in the clothes of IPv6 (RFC 4291, 2.5.5.2) reaches the same host: both notations. */
function withoutMapping(address: string): string {
  const mapped = /^::ffff:(.+)$/i.exec(address)?.[1];
  if (mapped === undefined) return address;
  if (isIP(mapped) === 4) return mapped;
  const [high = 0, low = 0] = mapped.split(':').map((part) => parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
