import type { NextConfig } from "next";

const config: NextConfig = {
  // The Python server under this site's own address. The address is read when the app is built.
  rewrites: async () => [
    {
      source: "/api/:path*",
      destination: `${process.env.USECHAT_URL ?? "http://127.0.0.1:8000"}/api/:path*`,
    },
  ],
  // This folder, though the page beside it has a lock file too.
  turbopack: { root: import.meta.dirname },
  experimental: {
    // What `rewrites()` does to long questions: beyond this size the rest never arrives (10 MB).
    proxyClientMaxBodySize: "32mb",
  },
};

export default config;
