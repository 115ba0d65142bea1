"""The AI SDK's UI message stream protocol, without I/O: what `useChat` reads, from any backend.

Import from the module that has what you need; none brings more than one JSON library.

- `check`: what is wrong with the stream of any backend
- `chunks`, `messages`: every chunk, every part of a UI message (`wire` has what they share)
- `sse`: frames, comments, `[DONE]`, an incremental decoder
- `writer`: a writer of legal streams
- `reduce`, `expand`: chunks to the message that the page has, and back
- `versions`: which release of the client knows what
- `rules`, `grammar`: which chunk may follow which
- `jsontext`: JSON as browsers send it and as every client can parse it
"""
