"""A run as one file, to be kept or sent: the page, with all that it would ask a server for.

The file asks nobody for anything, and nothing in it that comes from the run can be taken for more than text:
it stands in the file as JSON without a `<`, the page puts it into elements as text only, and a browser is
told to run no script but the one that is the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli.values import Values, clean
from ..journal.events import CallFinished, CallIntended, CallSettled, Recorded, StreamReceived
from ..journal.history import without_gc
from ..observe.rows import Part, Rows
from .reading import WORDS, as_text, head, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..journal import Journal

__all__ = ["as_file", "as_frame"]

_PAGE = Path(__file__).parent / "page"

#: Of so many calls is put into the file what they were given and returned, at so many characters each.
_CALLS, _CHARACTERS = 10_000, 4_000
#: A run of more calls than this is not put into a notebook, which would keep it for each time it is shown.
_SHOWN = 5_000

_PART = 16_384
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:class|function|const|async function) (\w+))", re.MULTILINE)


def as_file(journal: Journal, run: str) -> str:
    """The run as the text of a HTML file."""
    record = journal.run(run)
    details: dict[int, Any] = {}
    values = Values(journal)

    def noted(events: Iterator[Recorded]) -> Iterator[Recorded]:
        for seq, event in events:
            if len(details) < _CALLS and isinstance(event, _TOLD):
                details[seq] = _short(told(values, event))
            yield Recorded(seq, event)

    with without_gc():
        parts = list(_parts(noted(journal.events(run)), Rows(values.cost)))
    about = head(journal, record)
    about["can"] = {}
    return _document(
        clean(f"{about['name']} {record.id}"),
        {"words": WORDS, "head": about, "parts": parts, "details": details},
    )


_TOLD = (CallFinished, CallIntended, CallSettled, StreamReceived)


def as_frame(journal: Journal, run: str) -> str:
    """The run as an element for a notebook: the same page, in a frame that can reach nothing around it."""
    record = journal.run(run)
    if record.calls > _SHOWN:
        return (
            f"<p>Run <code>{html.escape(record.id)}</code> of {html.escape(record.flow)}: "
            f"{record.calls:,} calls. <code>stretto ui</code> shows it.</p>"
        )
    document = html.escape(as_file(journal, run))
    return (
        f'<iframe title="Run {html.escape(record.id)}" sandbox="allow-scripts" srcdoc="{document}" '
        'style="width: 100%; height: 480px; border: 1px solid #8884; border-radius: 6px"></iframe>'
    )


def _parts(events: Iterator[Recorded], rows: Rows) -> Iterator[Part]:
    while some := list(islice(events, _PART)):
        yield rows.add(some) | {"now": rows.latest, "more": False}


def _short(details: dict[str, Any]) -> dict[str, Any]:
    for name, value in details.items():
        if isinstance(value, str) and len(value) > _CHARACTERS:
            details[name] = f"{value[:_CHARACTERS]}… ({len(value):,} characters)"
    return details


def _document(title: str, data: dict[str, Any]) -> str:
    page = (_PAGE / "index.html").read_text(encoding="utf-8")
    style = (_PAGE / "style.css").read_text(encoding="utf-8")
    script = _bundle("main")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'; "
        "form-action 'none'"
    )
    start, end = page.index("<title>"), page.index("</head>")
    inside = [
        f'<meta http-equiv="content-security-policy" content="{policy}">',
        f"<title>{html.escape(title)}</title>",
        f"<style>{style}</style>",
    ]
    body = page[end:].replace(
        "</body>",
        f'<script type="application/json" id="stretto-run">{as_text(data)}</script>\n'
        f'<script type="module">{script}</script>\n</body>',
    )
    return page[:start] + "\n".join(inside) + "\n" + body


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _bundle(name: str) -> str:
    """A module of the page and all that it imports, as one: each a function that gives what it exports."""
    made: dict[str, str] = {}

    def add(name: str) -> None:
        if name in made:
            return
        source = (_PAGE / f"{name}.js").read_text(encoding="utf-8")
        for _, other in _IMPORT.findall(source):
            add(other)
        source = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = in_{found[2]};", source)
        exported = [found[1] for found in _EXPORT.findall(source)]
        source = _EXPORT.sub(r"\1", source)
        made[name] = f"const in_{name} = (() => {{\n{source}\nreturn {{ {', '.join(exported)} }};\n}})();"

    add(name)
    script = "\n".join(made.values())
    assert "</" not in script and "<!--" not in script, "what ends a script must not stand in one"
    return script
