import type { Part } from '../tools';

/** Where an answer has something from. Listed in this order, so that its place is its number. */
export type Source = {
  /** the same for the same source */
  key: string;
  title: string;
  /** undefined: a document, not a page */
  url?: string;
  /** "example.com", or the document's file name */
  from: string;
};

/** The sources of a message, each once, whether they are parts of their own or a text's citations. */
export function sourcesOf(parts: readonly Part[]): Source[] {
  const found = new Map<string, Source>();
  const add = (source: Source) => found.has(source.key) || found.set(source.key, source);
  for (const part of parts) {
    if (part.type === 'source-url') add(page(part.url, part.title));
    if (part.type === 'source-document') add(document(part.sourceId, part.title, part.filename));
    if (part.type !== 'text') continue;
    for (const { source } of part.citations ?? []) {
      if (source.sourceType === 'url') add(page(source.url, source.title));
      else add(document(source.id, source.title, source.filename));
    }
  }
  return [...found.values()];
}

function page(url: string, title?: string): Source {
  const host = URL.canParse(url) ? new URL(url).hostname : url;
  return { key: url, title: title || url, url, from: host.replace(/^www\./, '') };
}

function document(id: string, title: string, filename?: string): Source {
  return { key: id, title, from: filename ?? 'document' };
}
