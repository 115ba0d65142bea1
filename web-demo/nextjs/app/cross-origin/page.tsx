import { Chat } from "../chat";

/** Cross-origin: the browser sends requests to the Python server, which allows this site's origin. */
export default function Page() {
  return <Chat serverUrl={process.env.NEXT_PUBLIC_USECHAT_URL ?? "http://127.0.0.1:8000"} />;
}
