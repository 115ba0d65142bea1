/** Return the URL of an API route. The server may be mounted under a path. */
export const apiUrl = (path: string) => new URL(`api/${path}`, document.baseURI).href;

/** Return the URL of a chat's route. The id may contain any character. */
export const chatUrl = (id: string, rest = '') => apiUrl(`chat/${encodeURIComponent(id)}${rest}`);

/** Fetch JSON. Throws an `ApiError` with the server's text if the status is not 2xx. */
export async function requestJson<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new ApiError(text || response.statusText, response.status);
  return (text ? JSON.parse(text) : undefined) as T;
}

export class ApiError extends Error {
  readonly status: number;

  constructor(text: string, status: number) {
    super(text);
    this.status = status;
  }
}
