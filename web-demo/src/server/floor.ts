/** The one line a frontend adds to get all that its release of `ai` can read. */
export const FLOOR = { 'x-usechat-floor': '7.0.173' };
