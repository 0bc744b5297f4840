/** PURE: version 1 of the PROXY protocol (its section 2.1): one line of text. */
import { formatIp, type IpAddress, mapped, parseIp } from "./ip.ts";
import { type ParsedHead, type Peer, type ProxiedConnection, refused } from "./head.ts";

/** With the CRLF. Two IPv6 addresses and two ports take no more. */
const longest = 107;

const start = "PROXY ";

const families = { TCP4: 4, TCP6: 16 } as const;

const isFamily = (word: string): word is keyof typeof families => Object.hasOwn(families, word);

export function formatProxyHeadV1(connection: ProxiedConnection | undefined): Uint8Array {
  return Uint8Array.from(line(connection), (character) => character.charCodeAt(0));
}

function line(connection: ProxiedConnection | undefined): string {
  if (connection === undefined) return `${start}UNKNOWN\r\n`;
  const { source, destination } = connection;
  const inIpv4 = source.address.length === 4 && destination.address.length === 4;
  const [from, to] = [source, destination].map(({ address }) => formatIp(inIpv4 ? address : mapped(address)));
  return `${start}${inIpv4 ? "TCP4" : "TCP6"} ${from} ${to} ${source.port} ${destination.port}\r\n`;
}

export function parseProxyHeadV1(bytes: Uint8Array): ParsedHead {
  const text = String.fromCharCode(...bytes.subarray(0, longest));
  if (!text.startsWith(start.slice(0, text.length))) return refused("no PROXY protocol");
  const end = text.indexOf("\n");
  if (end < 0)
    return text.length < longest
      ? { state: "more", needed: text.length + 1 }
      : refused(`no end of the line in ${longest} bytes`);
  if (text[end - 1] !== "\r") return refused("a line that ends without CR");
  const [, family = "", ...fields] = text.slice(0, end - 1).split(" ");
  const complete = { state: "complete", length: end + 1, version: 1 } as const;
  // "The receiver must ignore anything presented before the CRLF."
  if (family === "UNKNOWN") return { ...complete, connection: undefined };
  if (!isFamily(family)) return refused("an unknown family");
  const connection = parseFields(families[family], fields);
  return connection === undefined ? refused("bad addresses or ports") : { ...complete, connection };
}

function parseFields(size: number, fields: readonly string[]): ProxiedConnection | undefined {
  const [from = "", to = "", fromPort = "", toPort = ""] = fields;
  const source = parsePeer(size, from, fromPort);
  const destination = parsePeer(size, to, toPort);
  return fields.length === 4 && source && destination ? { source, destination } : undefined;
}

function parsePeer(size: number, text: string, port: string): Peer | undefined {
  const address: IpAddress | undefined = text.includes("%") ? undefined : parseIp(text);
  const isPort = /^(0|[1-9]\d{0,4})$/.test(port) && Number(port) <= 65535;
  return address?.length === size && isPort ? { address, port: Number(port) } : undefined;
}
