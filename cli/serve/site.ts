/** What a URL of the site is answered with: a file, the page of a folder, or the application's own page. */
import { file } from "sluice/fetch";
import { readFolder } from "./folder.ts";
import type { Handler } from "./observer.ts";
import { contentSecurityPolicy, renderFolder } from "./page.ts";

export interface SiteOptions {
  /** The real path of the folder that is served. */
  readonly root: string;
  /** Show the folders that have no index.html. */
  readonly listing: boolean;
  /** Answer navigations to what isn't there with the /index.html of a single-page application. */
  readonly single: boolean;
  /** Seconds for which answers may be reused without asking again. */
  readonly cacheSeconds: number;
}

/** Answers GET and HEAD. */
export function createSite({ root, listing, single, cacheSeconds }: SiteOptions): Handler {
  const files = { root, index: "index.html", maxAge: cacheSeconds };
  return async (request) => {
    const { pathname } = new URL(request.url);
    const answer = await file(request, pathname, files);
    if (answer.status !== 404) return answer;
    const page = listing ? await showFolder(request, root, pathname) : undefined;
    if (page !== undefined) return page;
    if (single && isNavigation(request, pathname)) return file(request, "/index.html", { ...files, maxAge: 0 });
    return answer;
  };
}

async function showFolder(request: Request, root: string, pathname: string): Promise<Response | undefined> {
  const names = namesOf(pathname);
  const folder = names && (await readFolder(root, names));
  if (names === undefined || folder === undefined) return undefined;
  const last = names.at(-1);
  // Relative, for a path may begin with two slashes, which would lead to another host.
  if (last !== undefined && !pathname.endsWith("/"))
    return new Response(null, { status: 301, headers: { location: `./${encodeURIComponent(last)}/` } });
  const page = new TextEncoder().encode(renderFolder(names, folder));
  return new Response(request.method === "HEAD" ? null : page, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-length": String(page.byteLength),
      "content-security-policy": contentSecurityPolicy,
      "cache-control": "no-cache",
    },
  });
}

/** The names of a path from the root; undefined where it isn't percent-encoded UTF-8. */
function namesOf(pathname: string): string[] | undefined {
  try {
    return pathname
      .split("/")
      .filter((step) => step !== "")
      .map(decodeURIComponent);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** Whether somebody wants to see a page, so that a missing script or picture stays missing. */
function isNavigation({ headers }: Request, pathname: string): boolean {
  const mode = headers.get("sec-fetch-mode");
  if (mode !== null) return mode === "navigate";
  // No browser of today: a name with a dot is that of a file.
  const accept = headers.get("accept") ?? "*/*";
  return /text\/html|\*\/\*/.test(accept) && !/\.[^/]*$/.test(pathname);
}
