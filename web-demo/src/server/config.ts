type Config = {
  /** whether the server keeps chats: else there is no list, and a reload begins anew */
  stored: boolean;
  /** bytes that a request may have */
  maxBodyBytes: number;
};

/** What the server wrote into the page of itself. The values below hold for `npm run dev`. */
export const config: Config = {
  stored: true,
  maxBodyBytes: 32 * 1024 * 1024,
  ...(JSON.parse(document.querySelector<HTMLMetaElement>('meta[name=usechat]')?.content || '{}') as
    | Partial<Config>
    | object),
};
