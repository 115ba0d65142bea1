import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const COMPRESSIBLE = /\.(js|css|svg)$/;

/** Write `NAME.br` and `NAME.gz` beside each asset, so that the server need not compress it. */
export function precompressAssets(): Plugin {
  return {
    name: 'precompress-assets',
    apply: 'build',
    async writeBundle({ dir = '' }, bundle) {
      const names = Object.keys(bundle).filter(name => COMPRESSIBLE.test(name));
      await Promise.all(
        names.map(async name => {
          const content = await readFile(join(dir, name));
          const compressed = {
            br: await promisify(brotliCompress)(content),
            gz: await promisify(gzip)(content, { level: 9 }),
          };
          for (const [suffix, bytes] of Object.entries(compressed)) {
            // A tiny file may become larger.
            if (bytes.length < content.length)
              await writeFile(join(dir, `${name}.${suffix}`), bytes);
          }
        }),
      );
    },
  };
}

/** Drop KaTeX's WOFF and TTF fonts: every browser that the build targets loads WOFF2. */
export function woff2Only(): Plugin {
  return {
    name: 'woff2-only',
    enforce: 'pre',
    transform: {
      filter: { id: /katex.*\.css$/ },
      handler: code => code.replace(/,\s*url\([^)]+\.(woff|ttf)\) format\("[^"]+"\)/g, ''),
    },
  };
}
