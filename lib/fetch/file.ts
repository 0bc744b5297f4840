/** A file as the answer to a request (RFC 9110). */
import { create as contentDisposition } from "content-disposition";
import mime from "mime";
import { STATUS_CODES } from "node:http";
import { basename, join } from "node:path";
import { argumentError } from "../../core/error.ts";
import { checkKnown } from "../../core/options.ts";
import { createOpenBeneath, type OpenBeneath } from "../confine/open-beneath.ts";
import { loadLibrary } from "../engine/library.ts";
import type { Runtime } from "../runtime.ts";
import { type Body, fileBody } from "./body.ts";
import { evaluateConditions, mayBeRanged, type Validators, validatorsOf } from "./conditions.ts";
import { type Found, lookUp, type OpenFile } from "./open-file.ts";
import { fileOptions, type FileOptions } from "./options.ts";
import { chooseVariant, type Variant } from "./precompressed.ts";
import { contentRange, multipart, type Part, partsOf, type Piece } from "./ranges.ts";
import { decodePath } from "./request-path.ts";
import { isOurs } from "./request-end.ts";
import { type ReadSmall, smallReader } from "./small-body.ts";
import type { OwnServer } from "./traits.ts";
import { readUnsized } from "./unsized.ts";

export type ServeFile = (request: Request, path: string, options: FileOptions) => Promise<Response>;

/** A plain answer of few words. */
export function statusResponse(request: Request, status: number, headers: Record<string, string> = {}): Response {
  const text = `${STATUS_CODES[status] ?? status}\n`;
  return new Response(request.method === "HEAD" ? null : text, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "content-length": String(text.length), ...headers },
  });
}

/** Types of text that say nothing of their charset themselves. */
const isText = /^text\/|^application\/(?:json|javascript|manifest\+json)$/;

function contentType(path: string): string {
  const type = mime.getType(path) ?? "application/octet-stream";
  return isText.test(type) ? `${type}; charset=utf-8` : type;
}

function commonHeaders(variant: Variant, { etag, changed, lastModified }: Validators, options: FileOptions): Headers {
  const { maxAge = 0, immutable = false, headers: extra = {} } = options;
  const headers = new Headers({ "cache-control": `public, max-age=${maxAge}${immutable ? ", immutable" : ""}` });
  if (etag !== undefined) headers.set("etag", etag);
  if (lastModified !== undefined) headers.set("last-modified", lastModified);
  // The very date that stands for a later one: a server's own may be older by then.
  if (lastModified !== undefined && changed === undefined) headers.set("date", lastModified);
  for (const [name, value] of Object.entries(extra)) headers.set(name, value);
  if (variant.varies) headers.append("vary", "accept-encoding");
  return headers;
}

/** What describes the content; headers that were asked for stay. */
function contentHeaders(path: string, { coding }: Variant, { download = false }: FileOptions): Record<string, string> {
  const name = typeof download === "string" ? download : basename(path);
  return {
    "accept-ranges": "bytes",
    "content-type": contentType(path),
    ...(coding !== undefined && { "content-encoding": coding }),
    ...(download !== false && { "content-disposition": contentDisposition(name) }),
  };
}

interface Content {
  readonly status: 200 | 206;
  readonly length: number;
  readonly pieces: readonly Piece[];
  readonly headers: Readonly<Record<string, string>>;
}

/** The parts that were asked for, or the whole file. */
function contentOf(parts: readonly Part[] | undefined, size: number, type: string): Content {
  const [first, ...others] = parts ?? [];
  if (first === undefined)
    return { status: 200, length: size, pieces: size === 0 ? [] : [{ start: 0, length: size }], headers: {} };
  if (parts !== undefined && others.length > 0) {
    const { type: multipartType, length, pieces } = multipart(parts, size, type);
    return { status: 206, length, pieces, headers: { "content-type": multipartType } };
  }
  return {
    status: 206,
    length: first.length,
    pieces: [first],
    headers: { "content-range": contentRange(first, size) },
  };
}

/** Parts of what has been read already. */
const cutFrom = (bytes: Uint8Array, pieces: readonly Piece[]): readonly Piece[] =>
  pieces.map((piece) => ("start" in piece ? bytes.subarray(piece.start, piece.start + piece.length) : piece));

type AnyBody = Body | Uint8Array<ArrayBuffer>;
type MakeBody = (request: Request, file: OpenFile, pieces: readonly Piece[]) => AnyBody | Promise<AnyBody>;

/** A body that the runtime's own server sends for less, of what is all of a file from an offset on. */
function ownBody(server: OwnServer, request: Request, file: OpenFile, pieces: readonly Piece[]): Body | undefined {
  const [piece, ...others] = pieces;
  if (piece === undefined || !("start" in piece) || others.length > 0) return undefined;
  const { start, length } = piece;
  if (start + length !== file.size) return undefined;
  const body = file.readBy((fd) => server.openBody(request, fd, start));
  if (body !== undefined) file.close();
  return body;
}

/** Servers of ours want a descriptor; others are given what costs them least. */
const bodyMaker =
  (readSmall: ReadSmall, ownServer: OwnServer | undefined): MakeBody =>
  (request, file, pieces) => {
    if (isOurs(request)) return fileBody(request, file, pieces, false);
    const whole = (bytes: Uint8Array<ArrayBuffer> | undefined) => {
      if (bytes !== undefined) {
        file.close();
        return bytes;
      }
      if (ownServer?.hasMade(request) !== true) return fileBody(request, file, pieces, false);
      return ownBody(ownServer, request, file, pieces) ?? fileBody(request, file, pieces, true);
    };
    const read = readSmall(file, pieces);
    return read instanceof Promise ? read.then(whole) : whole(read);
  };

/** Answers a GET or HEAD with a variant of the file at a path. Takes the file over unless it rejects. */
async function respond(
  makeBody: MakeBody,
  request: Request,
  variant: Variant,
  path: string,
  options: FileOptions,
  bytes: Uint8Array | undefined,
): Promise<Response> {
  const { file } = variant;
  const size = bytes?.byteLength ?? file.size;
  const nowMs = Date.now();
  const validators = validatorsOf(file.stats, variant.coding, nowMs);
  const headers = commonHeaders(variant, validators, options);
  const refused = evaluateConditions(request.headers, validators);
  const isRanged = request.method === "GET" && mayBeRanged(request.headers, validators, nowMs);
  const parts = isRanged ? partsOf(request.headers.get("range"), size) : undefined;
  const close = (response: Response) => {
    file.close();
    return response;
  };
  if (refused === 304) return close(new Response(null, { status: 304, headers }));
  if (refused !== undefined) return close(statusResponse(request, refused));
  if (parts === "unsatisfiable")
    return close(statusResponse(request, 416, { "content-range": `bytes */${size}`, "accept-ranges": "bytes" }));

  for (const [name, value] of Object.entries(contentHeaders(path, variant, options)))
    if (!headers.has(name)) headers.set(name, value);
  const content = contentOf(parts, size, headers.get("content-type") ?? "");
  for (const [name, value] of Object.entries(content.headers)) headers.set(name, value);
  headers.set("content-length", String(content.length));
  const { status } = content;
  const pieces = bytes === undefined ? content.pieces : cutFrom(bytes, content.pieces);
  if (request.method === "HEAD" || pieces.length === 0) return close(new Response(null, { status, headers }));
  const body = makeBody(request, file, pieces);
  // What is there already is copied before anything else happens.
  return new Response(body instanceof Promise ? await body : body, { status, headers });
}

/**
 * Where relative links of a folder's index lead to their files: the URL with a slash at its end. Relative, for a
 * path may begin with two slashes, which would lead to another host. Undefined where it has the slash, or where the
 * handler maps URLs to paths in its own way.
 */
function folderUrl(request: Request, urlPath: string): string | undefined {
  const { pathname, search } = new URL(request.url);
  const last = pathname.slice(pathname.lastIndexOf("/") + 1);
  return last !== "" && urlPath.endsWith(last) ? `./${last}/${search}` : undefined;
}

function checkOptions(options: FileOptions): void {
  checkKnown(options, fileOptions);
  const { root, maxAge = 0 } = options;
  if (typeof root !== "string" && !(root instanceof URL))
    throw argumentError("ERR_INVALID_ARG_TYPE", "root must be a path or a file URL");
  if (!Number.isSafeInteger(maxAge) || maxAge < 0)
    throw argumentError("ERR_INVALID_ARG_VALUE", "maxAge must be a whole number of seconds");
}

const statuses = { folder: 404, missing: 404, forbidden: 403 } as const;

/** `file()`, bound to one runtime. The library is loaded when the first file is asked for: importing costs nothing. */
export function createFile(runtime: Runtime): ServeFile {
  let file: ServeFile | undefined;
  const load = () => {
    const loaded = loadLibrary(runtime);
    const native = "native" in loaded ? loaded.native : undefined;
    const makeBody = bodyMaker(
      smallReader(native, runtime.ownServer === undefined ? "bytes" : "files"),
      runtime.ownServer,
    );
    return serveFile(createOpenBeneath("native" in loaded ? loaded.native : loaded.reason, runtime), makeBody);
  };
  return async (request, path, options) => (file ??= load())(request, path, options);
}

function serveFile(openBeneath: OpenBeneath, makeBody: MakeBody): ServeFile {
  return async (request, urlPath, options) => {
    checkOptions(options);
    if (request.method !== "GET" && request.method !== "HEAD")
      return statusResponse(request, 405, { allow: "GET, HEAD" });
    const decoded = decodePath(urlPath, options.dotfiles);
    if ("status" in decoded) return statusResponse(request, decoded.status);
    const find = (path: string) => lookUp(openBeneath, options.root, path);
    const { index = "index.html" } = options;
    let { path } = decoded;
    let found: Found = decoded.isFolder ? { kind: "folder" } : await find(path);
    if (found.kind === "folder" && index !== false) {
      path = join(path, index);
      found = await find(path);
      const location = decoded.isFolder ? undefined : folderUrl(request, urlPath);
      if (found.kind === "file" && location !== undefined) return redirect(found.file, location);
    }
    if (found.kind !== "file") return statusResponse(request, statuses[found.kind]);
    const accepted = request.headers.get("accept-encoding");
    const variant = await chooseVariant(found.file, path, accepted, isText.test(contentType(path)), find);
    try {
      return await respond(makeBody, request, variant, path, options, await readUnsized(variant.file));
    } catch (error) {
      variant.file.close();
      throw error;
    }
  };
}

function redirect(file: OpenFile, location: string): Response {
  file.close();
  return new Response(null, { status: 301, headers: { location } });
}
