/**
 * PURE: the head by which a proxy tells the next one who the client is: the PROXY protocol, versions 1 and 2
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). It stands before the first byte of a connection.
 */
import type { ParsedHead, ProxiedConnection, ProxyVersion } from "./head.ts";
import { formatProxyHeadV1, parseProxyHeadV1 } from "./head-v1.ts";
import { formatProxyHeadV2, parseProxyHeadV2, signatureV2 } from "./head-v2.ts";

/** Reads the head that has to be at the beginning of some bytes. Refuses at the first byte that can't belong to one. */
export function parseProxyHead(bytes: Uint8Array): ParsedHead {
  if (bytes.length === 0) return { state: "more", needed: 1 };
  return bytes[0] === signatureV2[0] ? parseProxyHeadV2(bytes) : parseProxyHeadV1(bytes);
}

/** The head for a connection; undefined is one of which nothing is known. */
export function formatProxyHead(version: ProxyVersion, connection: ProxiedConnection | undefined): Uint8Array {
  return version === 1 ? formatProxyHeadV1(connection) : formatProxyHeadV2(connection);
}
