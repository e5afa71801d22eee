"""ultimate-sitemap-parser, as published: the tree of a site's sitemaps, fetched and parsed one by one.

The seam is the web client, which the package lets its users give: it answers for a simulated site, and takes
as long as servers take.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .declared import declared
from .fetch import SITEMAP_PARSER
from .published import importable

__all__ = ["EFFECTS", "by_hand", "run"]

SITE = "https://example.org/"
SECTIONS = 6
PAGES = 5

#: What is said of the package. A fetcher that is made tells its client how much to read at most, which
#: changes nothing in this one; pages that were found are put into files of their own.
EFFECTS = """
"usp.fetch_parse.SitemapFetcher.__init__" = "changes self; writes log"
"usp.fetch_parse.SitemapFetcher.sitemap" = "changes self; reads web; writes log, file"
"usp.helpers.get_url_retry_on_client_errors" = "changes nothing; reads web; writes log"
"""


def _site() -> dict[str, str]:
    """What each address of the site answers."""
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    sections = [f"{SITE}section{n}.xml" for n in range(SECTIONS)]
    found = {
        f"{SITE}robots.txt": f"User-agent: *\nDisallow: /private\nSitemap: {SITE}index.xml\n",
        f"{SITE}index.xml": f"<?xml version='1.0'?><sitemapindex {space}>"
        + "".join(f"<sitemap><loc>{section}</loc></sitemap>" for section in sections)
        + f"<sitemap><loc>{SITE}lost.xml</loc></sitemap></sitemapindex>",
        f"{SITE}sitemap.xml": f"{SITE}one\n{SITE}two\n",
    }
    for section in sections:
        pages = "".join(
            f"<url><loc>{section}/page{n}</loc><lastmod>2026-01-0{n + 1}</lastmod></url>"
            for n in range(PAGES)
        )
        found[section] = f"<?xml version='1.0'?><urlset {space}>{pages}</urlset>"
    return found


@call.reads("web")
async def fetch(url: str) -> str | None:
    """What stands there, after as long as a server takes."""
    await asyncio.sleep(0.2 + int(digest(url), 16) % 600 / 1000)
    return _site().get(url)


def run(*, overlapped: bool, effects: str = EFFECTS) -> tuple[str, float]:
    """The tree, and the virtual seconds it takes to find."""
    with importable(SITEMAP_PARSER, "usp", {}), declared(effects, "usp.tree"):
        tree = importlib.import_module("usp.tree")
        clients = importlib.import_module("usp.web_client.abstract_client")

        class Client(clients.AbstractWebClient):
            def set_max_response_data_length(self, max_response_data_length: int | None) -> None:
                pass

            def get(self, url: str) -> Any:
                text = fetch(url)
                if text is None:
                    return clients.WebClientErrorResponse("404 Not Found", False)
                return clients.LocalWebClientSuccessResponse(url, text)

        whole = flow(tree.sitemap_tree_for_homepage)
        with VirtualClock(seed=1) as clock:
            found = (whole if overlapped else whole.sequential)(SITE, web_client=Client())
            return json.dumps(found.to_dict(), default=str), clock.now


def by_hand() -> float:
    """The virtual seconds of the best asyncio version: each sitemap as soon as its address is known."""
    with importable(SITEMAP_PARSER, "usp", {}):
        paths = importlib.import_module("usp.tree")._UNPUBLISHED_SITEMAP_PATHS

    async def robots() -> None:
        for url in (f"{SITE}robots.txt", f"{SITE}index.xml"):
            await fetch.fn(url)
        listed = [*(f"{SITE}section{n}.xml" for n in range(SECTIONS)), f"{SITE}lost.xml"]
        await asyncio.gather(*[fetch.fn(url) for url in listed])

    async def every() -> None:
        # that some of these are listed by the others is known later; such a fetch would be for nothing
        await asyncio.gather(robots(), *[fetch.fn(SITE + path) for path in paths])

    with VirtualClock(seed=1) as clock:
        clock.run(every())
        return clock.now
