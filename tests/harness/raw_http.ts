/** HTTP by hand, for requests that `fetch` would not send. */

export interface RawResponse {
  status: number;
  text: string;
}

/** Sends `request` as it is and reads until the server closes the connection. */
export async function rawHttp(port: number, request: string): Promise<RawResponse> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(request));
  const text = await new Response(connection.readable).text();
  return { status: Number(text.split(" ")[1]), text };
}

/** A GET request of HTTP/1.1 with these headers. */
export function getRequest(path: string, headers: Record<string, string>): string {
  const lines = Object.entries({ connection: "close", ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}
