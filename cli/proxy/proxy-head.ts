/**
 * PURE: the head by which a proxy tells the next one who the client is: the PROXY protocol, versions 1 and 2
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). It stands before the first byte of a connection.
 */
import { formatIp, type IpAddress, mapped, parseIp } from "./ip.ts";

/** One end of a TCP connection. */
export interface Peer {
  readonly address: IpAddress;
  readonly port: number;
}

/** The connection that a head speaks of. */
export interface ProxiedConnection {
  /** The client. */
  readonly source: Peer;
  /** What the client connected to. */
  readonly destination: Peer;
}

/** What the first bytes of a connection are. */
export type ParsedHead =
  /** Not a whole head yet; it has `needed` bytes at least. */
  | { readonly state: "more"; readonly needed: number }
  | { readonly state: "refused"; readonly reason: string }
  | {
      readonly state: "complete";
      /** Bytes of the head; what follows is the client's. */
      readonly length: number;
      readonly version: ProxyVersion;
      /** Undefined where the head says nothing: a check by the proxy itself, or a client that isn't on TCP. */
      readonly connection: ProxiedConnection | undefined;
    };

export type ProxyVersion = 1 | 2;

const refused = (reason: string): ParsedHead => ({ state: "refused", reason });

/** Reads the head that has to be at the beginning of some bytes. Refuses at the first byte that can't belong to one. */
export function parseProxyHead(bytes: Uint8Array): ParsedHead {
  if (bytes.length === 0) return { state: "more", needed: 1 };
  return bytes[0] === signature[0] ? parseBinary(bytes) : parseLine(bytes);
}

/** The head for a connection; undefined is one of which nothing is known. */
export function formatProxyHead(version: ProxyVersion, connection: ProxiedConnection | undefined): Uint8Array {
  return version === 1 ? formatLine(connection) : formatBinary(connection);
}

// Version 1 (section 2.1): one line of text.

/** With the CRLF. Two IPv6 addresses and two ports take no more. */
const longestLine = 107;

const lineStart = "PROXY ";

const textFamilies = { TCP4: 4, TCP6: 16 } as const;

const isTextFamily = (word: string): word is keyof typeof textFamilies => Object.hasOwn(textFamilies, word);

function formatLine(connection: ProxiedConnection | undefined): Uint8Array {
  return Uint8Array.from(lineOf(connection), (character) => character.charCodeAt(0));
}

function lineOf(connection: ProxiedConnection | undefined): string {
  if (connection === undefined) return `${lineStart}UNKNOWN\r\n`;
  const { source, destination } = connection;
  const inIpv4 = source.address.length === 4 && destination.address.length === 4;
  const [from, to] = [source, destination].map(({ address }) => formatIp(inIpv4 ? address : mapped(address)));
  return `${lineStart}${inIpv4 ? "TCP4" : "TCP6"} ${from} ${to} ${source.port} ${destination.port}\r\n`;
}

function parseLine(bytes: Uint8Array): ParsedHead {
  const text = String.fromCharCode(...bytes.subarray(0, longestLine));
  if (!text.startsWith(lineStart.slice(0, text.length))) return refused("no PROXY protocol");
  const end = text.indexOf("\n");
  if (end < 0)
    return text.length < longestLine
      ? { state: "more", needed: text.length + 1 }
      : refused(`no end of the line in ${longestLine} bytes`);
  if (text[end - 1] !== "\r") return refused("a line that ends without CR");
  const [, family = "", ...fields] = text.slice(0, end - 1).split(" ");
  const complete = { state: "complete", length: end + 1, version: 1 } as const;
  // "The receiver must ignore anything presented before the CRLF."
  if (family === "UNKNOWN") return { ...complete, connection: undefined };
  if (!isTextFamily(family)) return refused("an unknown family");
  const connection = parseTextPeers(textFamilies[family], fields);
  return connection === undefined ? refused("bad addresses or ports") : { ...complete, connection };
}

function parseTextPeers(size: number, fields: readonly string[]): ProxiedConnection | undefined {
  const [from = "", to = "", fromPort = "", toPort = ""] = fields;
  const source = parseTextPeer(size, from, fromPort);
  const destination = parseTextPeer(size, to, toPort);
  return fields.length === 4 && source && destination ? { source, destination } : undefined;
}

function parseTextPeer(size: number, text: string, port: string): Peer | undefined {
  const address: IpAddress | undefined = text.includes("%") ? undefined : parseIp(text);
  const isPort = /^(0|[1-9]\d{0,4})$/.test(port) && Number(port) <= 65535;
  return address?.length === size && isPort ? { address, port: Number(port) } : undefined;
}

// Version 2 (section 2.2): a binary head with fields of type, length and value.

/** Something that no other protocol begins with. */
const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a] as const;

/** Signature, version and command, family and protocol, and the length of what follows. */
const fixedLength = 16;

const versionBits = 0x20;
const commands = { local: 0, proxy: 1 } as const;
const stream = 1;
const mostProtocol = 2;

/** Families by their number: bytes of an address, and of all addresses and ports. */
const binaryFamilies = [
  { address: 0, block: 0 },
  { address: 4, block: 12 },
  { address: 16, block: 36 },
  // Paths of Unix sockets.
  { address: 0, block: 216 },
] as const;

/** The type of a field that holds the head's checksum. */
const checksumType = 0x03;

function formatBinary(connection: ProxiedConnection | undefined): Uint8Array {
  if (connection === undefined) return Uint8Array.from([...signature, versionBits | commands.proxy, 0, 0, 0]);
  const { source, destination } = connection;
  const inIpv4 = source.address.length === 4 && destination.address.length === 4;
  const addresses = [source, destination].flatMap(({ address }) => (inIpv4 ? address : mapped(address)));
  const ports = [source, destination].flatMap(({ port }) => [port >> 8, port & 0xff]);
  const family = ((inIpv4 ? 1 : 2) << 4) | stream;
  const length = addresses.length + ports.length;
  return Uint8Array.from([...signature, versionBits | commands.proxy, family, 0, length, ...addresses, ...ports]);
}

function parseBinary(bytes: Uint8Array): ParsedHead {
  if (!signature.every((byte, i) => i >= bytes.length || bytes[i] === byte)) return refused("no PROXY protocol");
  const [command = versionBits, kind = 0] = bytes.subarray(signature.length);
  if ((command & 0xf0) !== versionBits) return refused("an unknown version");
  if ((command & 0x0f) > commands.proxy) return refused("an unknown command");
  const family = binaryFamilies[kind >> 4];
  if (family === undefined || (kind & 0x0f) > mostProtocol) return refused("an unknown family");
  if (bytes.length < fixedLength) return { state: "more", needed: fixedLength };

  const length = fixedLength + ((bytes[fixedLength - 2] ?? 0) << 8) + (bytes[fixedLength - 1] ?? 0);
  const isLocal = (command & 0x0f) === commands.local;
  if (!isLocal && length < fixedLength + family.block) return refused("too short for its addresses");
  if (bytes.length < length) return { state: "more", needed: length };
  const complete = { state: "complete", length, version: 2 } as const;
  // The proxy's own connection: whatever stands there is to be skipped.
  if (isLocal) return { ...complete, connection: undefined };
  const complaint = checkFields(bytes.subarray(0, length), fixedLength + family.block);
  if (complaint !== undefined) return refused(complaint);
  const isTcp = family.address > 0 && (kind & 0x0f) === stream;
  return { ...complete, connection: isTcp ? readAddresses(bytes, family.address) : undefined };
}

function readAddresses(bytes: Uint8Array, size: number): ProxiedConnection {
  const ports = fixedLength + 2 * size;
  const peer = (index: number): Peer => {
    const [high = 0, low = 0] = bytes.subarray(ports + 2 * index);
    return {
      address: [...bytes.subarray(fixedLength + index * size, fixedLength + (index + 1) * size)],
      port: (high << 8) | low,
    };
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

/** CRC-32C (Castagnoli), RFC 3720, appendix B.4. */
const polynomial = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
  return value;
});

/** The checksum of some bytes, as an unsigned number. */
export function crc32c(bytes: Iterable<number>): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ (table[(sum ^ byte) & 0xff] ?? 0);
  return (sum ^ 0xffffffff) >>> 0;
}
