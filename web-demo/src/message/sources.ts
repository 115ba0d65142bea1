import type { MessagePart } from '../messageTypes';

/** A source that a message cites. Its number is its position in the message's list, from 1. */
export type Source = {
  /** identifies the source within a message: its URL, or a document's id */
  key: string;
  title: string;
  /** undefined for a document */
  url?: string;
  /** a web page's host, or a document's file name */
  origin: string;
};

/** Collect the sources of a message, without duplicates, from its source parts and citations. */
export function sourcesOf(parts: readonly MessagePart[]): Source[] {
  const sources = new Map<string, Source>();
  const add = (source: Source) => sources.has(source.key) || sources.set(source.key, source);
  for (const part of parts) {
    if (part.type === 'source-url') add(urlSource(part.url, part.title));
    if (part.type === 'source-document')
      add(documentSource(part.sourceId, part.title, part.filename));
    if (part.type !== 'text') continue;
    for (const { source } of part.citations ?? []) {
      if (source.sourceType === 'url') add(urlSource(source.url, source.title));
      else add(documentSource(source.id, source.title, source.filename));
    }
  }
  return [...sources.values()];
}

function urlSource(url: string, title?: string): Source {
  const host = URL.canParse(url) ? new URL(url).hostname : url;
  return { key: url, title: title || url, url, origin: host.replace(/^www\./, '') };
}

function documentSource(id: string, title: string, filename?: string): Source {
  return { key: id, title, origin: filename ?? 'document' };
}
