import { extname } from 'node:path';

/** How a file is read, and what `metadata.format` of its documents says. */
export type DocumentFormat =
  | 'markdown'
  | 'html'
  | 'text'
  | 'code'
  | 'pdf'
  | 'csv'
  | 'json'
  | 'jsonl';

const byFormat: Readonly<Record<Exclude<DocumentFormat, 'code'>, string>> = {
  markdown: '.md .markdown .mdx',
  text: '.txt .text .rst',
  html: '.html .htm .xhtml',
  pdf: '.pdf',
  csv: '.csv .tsv',
  json: '.json',
  jsonl: '.jsonl .ndjson',
};

/** Languages by their usual names in syntax highlighters. */
const byLanguage = {
  c: '.c .h',
  clojure: '.clj .cljs',
  cpp: '.cc .cpp .cxx .hh .hpp .hxx',
  csharp: '.cs',
  dart: '.dart',
  elixir: '.ex .exs',
  erlang: '.erl .hrl',
  fsharp: '.fs',
  go: '.go',
  graphql: '.graphql .gql',
  haskell: '.hs',
  java: '.java',
  javascript: '.js .mjs .cjs .jsx',
  julia: '.jl',
  kotlin: '.kt .kts',
  lua: '.lua',
  ocaml: '.ml .mli',
  perl: '.pl .pm',
  php: '.php',
  powershell: '.ps1',
  protobuf: '.proto',
  python: '.py .pyi',
  r: '.r',
  ruby: '.rb',
  rust: '.rs',
  scala: '.scala',
  shell: '.sh .bash .zsh',
  sql: '.sql',
  swift: '.swift',
  typescript: '.ts .mts .cts .tsx',
  zig: '.zig',
};

interface Kind {
  readonly format: DocumentFormat;
  /** Of source code. */
  readonly language?: string;
}

const kinds = new Map<string, Kind>([
  ...Object.entries(byFormat).flatMap(([format, extensions]) =>
    kindsOf(extensions, { format: format as DocumentFormat }),
  ),
  ...Object.entries(byLanguage).flatMap(([language, extensions]) =>
    kindsOf(extensions, { format: 'code', language }),
  ),
]);

function kindsOf(extensions: string, kind: Kind): (readonly [string, Kind])[] {
  return extensions.split(' ').map((extension) => [extension, kind] as const);
}

/** What a file's extension says; anything else is text. */
export function kindOf(path: string): Kind {
  return kinds.get(extname(path).toLowerCase()) ?? { format: 'text' };
}

/** Extensions of all that is read: text, Markdown, HTML, PDF, CSV, JSON, JSON Lines and source code. */
export const defaultExtensions: readonly string[] = [...kinds.keys()];
