/** The address of a route of the server, which may be mounted under a path. */
export const api = (path: string) => new URL(`api/${path}`, document.baseURI).href;

/** The address of what belongs to one chat, whose id may hold any character. */
export const chatApi = (id: string, rest = '') => api(`chat/${encodeURIComponent(id)}${rest}`);

/** Asks a route for JSON. Throws the server's own words. */
export async function ask<T>(url: string, init?: RequestInit): Promise<T> {
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
