/** A file's way to the service, with its progress: `fetch` tells none of what it sends. */
import { ApiError, headers, refusal } from "./client";
import { signedOut } from "./session";

/** POST a file; the answer's JSON. `onSent` hears the share sent, from 0 to 1. Throws ApiError, or AbortError. */
export function upload<T>(
  path: string,
  file: Blob,
  type: string,
  onSent: (share: number) => void,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries({ ...headers(), "Content-Type": type }))
      request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status === 401)
        signedOut("You are signed out: the key or the session is unknown, revoked or expired.");
      if (request.status >= 200 && request.status < 300) resolve(body as T);
      else reject(refusal(new Response(null, { status: request.status, statusText: request.statusText }), body));
    };
    request.onerror = () =>
      reject(new ApiError(0, "The server does not answer, or broke off. What it had stored by then is there."));
    request.onabort = () => reject(new DOMException("canceled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
