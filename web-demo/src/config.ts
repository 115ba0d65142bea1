type Config = {
  /** whether the server stores chats; without a store there is no chat list */
  stored: boolean;
  /** maximum size of a request body, in bytes */
  maxBodyBytes: number;
};

/** The configuration that the server injects into index.html. Defaults are for `npm run dev`. */
export const config: Config = {
  stored: true,
  maxBodyBytes: 32 * 1024 * 1024,
  ...(JSON.parse(document.querySelector<HTMLMetaElement>('meta[name=usechat]')?.content || '{}') as
    | Partial<Config>
    | object),
};
