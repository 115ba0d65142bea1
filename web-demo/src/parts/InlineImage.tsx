/** An image inside a message. An image on another host is not loaded but offered as a link. */
export function InlineImage({ url, name = 'Image' }: { url: string; name?: string | undefined }) {
  if (!url.startsWith('data:image/')) {
    return (
      <a href={url} target="_blank" rel="noopener noreferrer">
        {name}
      </a>
    );
  }
  return (
    <a className="inline-image" href={url} download={name}>
      <img src={url} alt={name} />
    </a>
  );
}
