/** A picture of the answer. Only one that is in the message: others would be fetched elsewhere. */
export function Picture({ url, name = 'Picture' }: { url: string; name?: string | undefined }) {
  if (!url.startsWith('data:image/')) {
    return (
      <a href={url} target="_blank" rel="noopener noreferrer">
        {name}
      </a>
    );
  }
  return (
    <a className="picture" href={url} download={name}>
      <img src={url} alt={name} />
    </a>
  );
}
