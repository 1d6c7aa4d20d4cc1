import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, paths } from "./schema.js";
export type Problem = components["schemas"]["Problem"];

type Answer<T> = { data?: T; error?: unknown };

const REFUSED_FOR_NOW = new Set([429, 503]); // nothing was done

/** The server refused a request; `problem` has its code, title and detail. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail ?? problem.title}`);
  }
}

/**
 * Returns a client of the server at a URL, such as https://HOST.
 *
 * A request that was refused for now (429, 503) is repeated up to `retries` times, when the server's Retry-After says; all pauses
 * together take at most `patience` seconds. Every POST has an Idempotency-Key unless the call names one.
 */
export function connect(url: string, key: string, { retries = 5, patience = 60 } = {}): Client<paths> {
  const repeating = async (request: Request): Promise<Response> => {
    if (request.method === "POST" && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", crypto.randomUUID());
    }
    let left = patience;
    for (let attempt = 0; ; attempt++) {
      const response = await fetch(request.clone());
      const pause = Number(response.headers.get("Retry-After") ?? 2 ** attempt / 2);
      if (!REFUSED_FOR_NOW.has(response.status) || attempt >= retries || pause > left) {
        return response;
      }
      left -= pause;
      await response.body?.cancel();
      await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
    }
  };
  const root = `${url.replace(/\/+$/, "")}/api/v1`;
  return createClient<paths>({ baseUrl: root, headers: { "x-api-key": key }, fetch: repeating });
}

/** Returns what a call answered; throws Refused if that is a problem. */
export function result<T>({ data, error }: Answer<T>): T {
  if (error !== undefined) {
    throw new Refused(error as Problem);
  }
  return data as T;
}

/** Yields everything that an operation lists, page by page: `every("faces", (cursor) => api.GET(…))`. */
export async function* every<K extends string, T>(
  field: K,
  read: (cursor: string) => Promise<Answer<{ [name in K]: T[] } & { next_cursor: string | null }>>,
): AsyncGenerator<T> {
  let cursor: string | null = "";
  while (cursor !== null) {
    const page: { [name in K]: T[] } & { next_cursor: string | null } = result(await read(cursor));
    yield* page[field];
    cursor = page.next_cursor;
  }
}
