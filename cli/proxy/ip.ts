/** PURE: IP addresses as bytes and as text, and prefixes of them. The platform says what is one. */
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** Four bytes of IPv4 or sixteen of IPv6, in network order. */
export type IpAddress = readonly number[];

/** The bytes of an address, without its zone (RFC 4007); undefined for what isn't one. */
export function parseIp(text: string): IpAddress | undefined {
  return isIP(text) === 0 ? undefined : ipaddr.parse(text).toByteArray();
}

/** The text of an address, as RFC 5952 wants it. @throws RangeError unless there are 4 or 16 bytes */
export function formatIp(address: IpAddress): string {
  if (address.length !== 4 && address.length !== 16)
    throw new RangeError(`An IP address has 4 or 16 bytes, got ${address.length}`);
  const parsed = ipaddr.fromByteArray([...address]);
  return parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : parsed.toString();
}

/** An IPv4 address that a socket of both families shows as ::ffff:a.b.c.d, as what it is. */
export function unmapped(address: IpAddress): IpAddress {
  if (address.length !== 16) return address;
  const parsed = new ipaddr.IPv6([...address]);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toByteArray() : address;
}

/** An IPv4 address in the form of IPv6. */
export function mapped(address: IpAddress): IpAddress {
  return address.length === 4 ? new ipaddr.IPv4([...address]).toIPv4MappedAddress().toByteArray() : address;
}

/** All addresses that begin with some bits. */
export interface Prefix {
  readonly address: IpAddress;
  readonly bits: number;
}

/** "10.0.0.0/8", "fd00::/8", or one address; undefined for what is none of these. */
export function parsePrefix(text: string): Prefix | undefined {
  const [, start = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseIp(start);
  if (address === undefined) return undefined;
  const bits = length === undefined ? address.length * 8 : Number(length);
  return bits <= address.length * 8 ? { address, bits } : undefined;
}

/** Whether an address is among those of a prefix. IPv4 addresses are never among those of an IPv6 prefix. */
export function isWithin({ address: start, bits }: Prefix, address: IpAddress): boolean {
  if (address.length !== start.length) return false;
  return ipaddr.fromByteArray([...address]).match(ipaddr.fromByteArray([...start]), bits);
}
