/** PURE: IP addresses as bytes and as text (RFC 4291, written as RFC 5952 wants it), and prefixes of them. */

/** Four bytes of IPv4 or sixteen of IPv6, in network order. */
export type IpAddress = readonly number[];

/** The part after "%" names an interface of this machine (RFC 4007); nobody else can use it. */
const withoutZone = (text: string): string => text.replace(/%[^%]+$/, "");

function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split(".");
  // Leading zeros are octal to some and decimal to others.
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

/** Groups of 16 bits, of which the last two may be written as an IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const last = parts.at(-1) ?? "";
  const ipv4 = last.includes(".") ? parseIpv4(last) : undefined;
  if (last.includes(".") && ipv4 === undefined) return undefined;
  const groups = ipv4 === undefined ? parts : parts.slice(0, -1);
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const bytes = groups.flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
  return [...bytes, ...(ipv4 ?? [])];
}

function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split("::");
  if (halves.length > 2 || (halves.length === 2 && halves[0]?.includes(".") === true)) return undefined;
  const [head, tail] = halves.map(parseGroups);
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 16 ? head : undefined;
  if (tail === undefined) return undefined;
  const zeros = 16 - head.length - tail.length;
  // "::" stands for one group at least.
  return zeros < 2 ? undefined : [...head, ...Array<number>(zeros).fill(0), ...tail];
}

/** The bytes of an address, without its zone; undefined for what isn't one. */
export function parseIp(text: string): IpAddress | undefined {
  return text.includes(":") ? parseIpv6(withoutZone(text)) : parseIpv4(text);
}

/** The text of an address. @throws RangeError unless there are 4 or 16 bytes */
export function formatIp(address: IpAddress): string {
  if (address.length === 4) return address.join(".");
  if (address.length !== 16) throw new RangeError(`An IP address has 4 or 16 bytes, got ${address.length}`);
  const groups = Array.from({ length: 8 }, (_, i) => ((address[i * 2] ?? 0) << 8) | (address[i * 2 + 1] ?? 0));
  const { start, length } = longestZeros(groups);
  const words = groups.map((group) => group.toString(16));
  if (length < 2) return words.join(":");
  return `${words.slice(0, start).join(":")}::${words.slice(start + length).join(":")}`;
}

/** The first of the longest runs of groups that are zero. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}

const mappedPrefix: IpAddress = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** An IPv4 address that a socket of both families shows as ::ffff:a.b.c.d, as what it is. */
export function unmapped(address: IpAddress): IpAddress {
  return address.length === 16 && mappedPrefix.every((byte, i) => address[i] === byte) ? address.slice(12) : address;
}

/** An IPv4 address in the form of IPv6. */
export function mapped(address: IpAddress): IpAddress {
  return address.length === 4 ? [...mappedPrefix, ...address] : address;
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
  return start.every((byte, i) => {
    const unused = Math.min(8, Math.max(0, 8 * (i + 1) - bits));
    return byte >> unused === (address[i] ?? 0) >> unused;
  });
}
