import { Chat } from "./chat";

/** Through `rewrites()`: the browser talks to this site only. */
export default function Page() {
  return <Chat server="" />;
}
