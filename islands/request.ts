/** Requests to the server, whose failures are errors with a message for people. */

export async function request(url: URL | string, options: RequestInit = {}): Promise<Response> {
  return await fetch(url, { cache: "no-store", ...options }).catch((error) => {
    throw new Error("the server does not answer", { cause: error });
  });
}

/** Of an answer that says that all is well. */
export async function bodyOf<Body>(response: Response): Promise<Body> {
  if (!response.ok) throw new Error(await reasonOf(response));
  return await response.json();
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string") return error;
  } catch {
    // Not JSON: the status has to do.
  }
  return `the server answers ${response.status}`;
}
