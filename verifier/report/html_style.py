"""The style sheet of the HTML report, and its digest for the page's own content policy."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["CONTENT_POLICY", "STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de; --card: #f6f8fa;
  --pass: #116329; --fail: #a40e26; --open: #7d4e00; --info: #0a5191;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --text: #e6edf3; --quiet: #9198a1; --line: #3d444d; --card: #151b23;
    --pass: #4ac26b; --fail: #ff8182; --open: #d4a72c; --info: #6cb6ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.1rem; color: var(--quiet); margin: 0; }
h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
p { margin: .5rem 0; }
.verdict { font-size: 2rem; line-height: 1.2; font-weight: 700; margin: .25rem 0 .5rem; }
.simulated { border: 2px solid var(--open); border-radius: .4rem; padding: .5rem .75rem; }
.pass { color: var(--pass); } .fail { color: var(--fail); } .info { color: var(--info); }
.skip, .error, .open { color: var(--open); }
code, pre { font: .875rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
pre {
  margin: .5rem 0; padding: .75rem; white-space: pre-wrap; background: var(--card);
  border: 1px solid var(--line); border-radius: .4rem;
}
dl { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .25rem .75rem; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; }
details {
  border: 1px solid var(--line); border-radius: .4rem; background: var(--card); margin: .4rem 0;
}
summary { padding: .5rem .75rem; cursor: pointer; }
summary b { display: inline-block; min-width: 3.25rem; }
summary span { display: block; color: var(--quiet); }
details dl { padding: .25rem .75rem .75rem; }
@media (max-width: 34rem) {
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .5rem; }
  .verdict { font-size: 1.6rem; }
}
@media print { details { break-inside: avoid; } }
"""

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode("utf-8")).digest()).decode("ascii")

CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
)
"""What the page may load: this style sheet and nothing else (CSP level 3)."""
