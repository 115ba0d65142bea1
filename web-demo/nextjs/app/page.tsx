import { Chat } from "./chat";

/** Same origin: the browser sends requests to this site, and `rewrites()` forwards them. */
export default function Page() {
  return <Chat serverUrl="" />;
}
