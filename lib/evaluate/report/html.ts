/** A whole page around some HTML; needs no server and loads nothing. */
export function viewPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`;
}

const style = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; color: #1d1d1f; background: #fff; }
table { border-collapse: collapse; } th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
.cuts { display: flex; gap: 1rem; overflow-x: auto; }
.cuts section { flex: 1 0 24rem; min-width: 0; }
.cuts pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.6 ui-monospace, monospace; }
mark { color: inherit; border-radius: 2px; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
mark:hover { outline: 2px solid #444; }
.c0 { background: #cfe8ff; } .c1 { background: #ffe3b8; } .c2 { background: #d5f2c8; } .c3 { background: #f3d3ef; }
.shared { background: repeating-linear-gradient(45deg, #cfe8ff 0 6px, #ffe3b8 6px 12px); }
`;

/** Text as it may stand in HTML; what HTML cannot hold becomes U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/(?![\t\n\r])[\p{Cc}\p{Cs}]/gu, '\ufffd');
}
