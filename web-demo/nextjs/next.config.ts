import type { NextConfig } from "next";

const config: NextConfig = {
  // Forwards API requests to the Python server. The URL is read when the app is built.
  rewrites: async () => [
    {
      source: "/api/:path*",
      destination: `${process.env.USECHAT_URL ?? "http://127.0.0.1:8000"}/api/:path*`,
    },
  ],
  experimental: {
    // `rewrites()` cuts off a request body beyond this size. The default is 10 MB.
    proxyClientMaxBodySize: "32mb",
  },
  // Without this, Next.js takes a parent directory with a lock file for the root of the project.
  turbopack: { root: import.meta.dirname },
};

export default config;
