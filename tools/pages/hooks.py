"""What MkDocs calls: pages from code are added, and links of the repository become the site's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from mkdocs.config.defaults import MkDocsConfig  # noqa: E402
from mkdocs.structure.files import File, Files  # noqa: E402

from tools.pages import environments, links, reference, results  # noqa: E402


def generated() -> dict[str, str]:
    """Return the pages that are written from code, as if they were files of the repository."""
    return {
        **{f"docs/{name}": text for name, text in reference.pages().items()},
        **{f"docs/{name}": text for name, text in environments.pages().items()},
        **{f"docs/{name}": text for name, text in results.pages().items()},
        **{
            name: (ROOT / name).read_text(encoding="utf-8")
            for name in links.OUTSIDE
            if name.endswith(".md")
        },
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation."""
    nav: Any = config.nav
    for entry in nav:
        if isinstance(entry, dict) and "Environments" in entry:
            entry["Environments"] = environments.navigation()
        if isinstance(entry, dict) and "Reference" in entry:
            entry["Reference"] = reference.navigation()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and what the pages link to outside of ``docs/``."""
    pages = generated()
    for page in sorted((ROOT / "docs").glob("*.md")):
        pages[f"docs/{page.name}"] = page.read_text(encoding="utf-8")
    outside: set[str] = set()
    for name, text in pages.items():
        content, found = links.to_site(reference.referred(text), name)
        outside |= found
        add(files, config, links.place(name), content)
    for name, image in environments.pictures().items():
        add(files, config, name, image)
    for name in sorted(outside):
        if name.endswith(links.PICTURES):
            add(files, config, links.place(name), (ROOT / name).read_bytes())
        else:
            add(files, config, links.place(name), links.source_page(name))
        if name.endswith(".ipynb"):
            add(files, config, links.download(Path(name).name), (ROOT / name).read_bytes())
    return files


def add(files: Files, config: MkDocsConfig, name: str, content: str | bytes) -> None:
    """Add a file of the site, in place of the one that has its name."""
    if (known := files.get_file_from_path(name)) is not None:
        files.remove(known)
    files.append(File.generated(config, name, content=content))
