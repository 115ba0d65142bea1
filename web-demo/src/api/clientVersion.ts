/** The release of `ai` that reads the streams. The server sends only chunks that it understands. */
export const CLIENT_VERSION_HEADERS = { 'x-usechat-client': 'ai/7.0.173' };
