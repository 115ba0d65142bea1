/** The release of `ai` that reads the streams. The server sends only chunks that it understands. */
export const CLIENT_VERSION_HEADERS = { 'x-usechat-floor': '7.0.173' };
