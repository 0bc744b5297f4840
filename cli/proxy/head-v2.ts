/** PURE: version 2 of the PROXY protocol (its section 2.2): a binary head with fields of type, length and value. */
import { crc32c } from "./crc32c.ts";
import { mapped } from "./ip.ts";
import { type ParsedHead, type Peer, type ProxiedConnection, refused } from "./head.ts";

/** Something that no other protocol begins with. */
export const signatureV2 = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a] as const;

/** Signature, version and command, family and protocol, and the length of what follows. */
const fixed = 16;

const version = 0x20;
const commands = { local: 0, proxy: 1 } as const;
const stream = 1;
const mostProtocol = 2;

/** Families by their number: bytes of an address, and of all addresses and ports. */
const families = [
  { address: 0, block: 0 },
  { address: 4, block: 12 },
  { address: 16, block: 36 },
  // Paths of Unix sockets.
  { address: 0, block: 216 },
] as const;

/** The type of a field that holds the head's checksum. */
const checksumType = 0x03;

export function formatProxyHeadV2(connection: ProxiedConnection | undefined): Uint8Array {
  if (connection === undefined) return Uint8Array.from([...signatureV2, version | commands.proxy, 0, 0, 0]);
  const { source, destination } = connection;
  const inIpv4 = source.address.length === 4 && destination.address.length === 4;
  const addresses = [source, destination].flatMap(({ address }) => (inIpv4 ? address : mapped(address)));
  const ports = [source, destination].flatMap(({ port }) => [port >> 8, port & 0xff]);
  const family = ((inIpv4 ? 1 : 2) << 4) | stream;
  const length = addresses.length + ports.length;
  return Uint8Array.from([...signatureV2, version | commands.proxy, family, 0, length, ...addresses, ...ports]);
}

export function parseProxyHeadV2(bytes: Uint8Array): ParsedHead {
  if (!signatureV2.every((byte, i) => i >= bytes.length || bytes[i] === byte)) return refused("no PROXY protocol");
  const [command = version, kind = 0] = bytes.subarray(signatureV2.length);
  if ((command & 0xf0) !== version) return refused("an unknown version");
  if ((command & 0x0f) > commands.proxy) return refused("an unknown command");
  const family = families[kind >> 4];
  if (family === undefined || (kind & 0x0f) > mostProtocol) return refused("an unknown family");
  if (bytes.length < fixed) return { state: "more", needed: fixed };

  const length = fixed + ((bytes[fixed - 2] ?? 0) << 8) + (bytes[fixed - 1] ?? 0);
  const isLocal = (command & 0x0f) === commands.local;
  if (!isLocal && length < fixed + family.block) return refused("too short for its addresses");
  if (bytes.length < length) return { state: "more", needed: length };
  const complete = { state: "complete", length, version: 2 } as const;
  // The proxy's own connection: whatever stands there is to be skipped.
  if (isLocal) return { ...complete, connection: undefined };
  const complaint = checkFields(bytes.subarray(0, length), fixed + family.block);
  if (complaint !== undefined) return refused(complaint);
  const isTcp = family.address > 0 && (kind & 0x0f) === stream;
  return { ...complete, connection: isTcp ? readAddresses(bytes, family.address) : undefined };
}

function readAddresses(bytes: Uint8Array, size: number): ProxiedConnection {
  const ports = fixed + 2 * size;
  const peer = (index: number): Peer => {
    const [high = 0, low = 0] = bytes.subarray(ports + 2 * index);
    return { address: [...bytes.subarray(fixed + index * size, fixed + (index + 1) * size)], port: (high << 8) | low };
  };
  return { source: peer(0), destination: peer(1) };
}

/** Walks the fields behind the addresses; the answer says what is wrong with them. */
function checkFields(head: Uint8Array, start: number): string | undefined {
  let summed = false;
  for (let at = start; at < head.length;) {
    const [type, high = 0, low = 0] = head.subarray(at);
    const value = at + 3;
    const end = value + ((high << 8) | low);
    if (end > head.length) return "a field that is longer than the head";
    // Each is a pass over the head, and a sender can make many right.
    if (type === checksumType && summed) return "a second checksum";
    if (type === checksumType && !isSum(head, value, end)) return "a wrong checksum";
    summed ||= type === checksumType;
    at = end;
  }
  return undefined;
}

/** The sum is that of the head with zeros in its place. */
function isSum(head: Uint8Array, start: number, end: number): boolean {
  if (end - start !== 4) return false;
  const blank = head.map((byte, i) => (i >= start && i < end ? 0 : byte));
  const sum = crc32c(blank);
  return [24, 16, 8, 0].every((shift, i) => head[start + i] === ((sum >>> shift) & 0xff));
}
