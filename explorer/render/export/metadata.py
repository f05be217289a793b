"""Provenance inside pictures: PNG text chunks, SVG metadata, the PDF's information."""

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from explorer.kinds.provenance import PROGRAM, VERSION, Provenance, text, titles

# What XML 1.0 cannot hold, not even escaped. Source: XML 1.0, production 2.
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def with_provenance(content: bytes, format: str, provenance: Sequence[Provenance]) -> bytes:
    """The picture with its provenance inside; the picture itself stays as it is.

    Args:
        content: a PNG, SVG or PDF.
        format: "png", "svg" or "pdf".
        provenance: of each analysis that it shows; without any the content comes back.
    """
    if not provenance:
        return content
    writers = {"png": _png_with, "svg": _svg_with, "pdf": _pdf_with}
    return writers[format](content, _text_entries(provenance))


def _text_entries(provenance: Sequence[Provenance]) -> dict[str, str]:
    """What is said, by the names that PNG and PDF have for it."""
    keys = ", ".join(one.key for one in provenance)
    entries = {"Title": titles(provenance), "Keywords": keys, "Creator": f"{PROGRAM} {VERSION}"}
    safe = {name: words.encode("utf-8", "replace").decode() for name, words in entries.items()}
    return safe | {"Provenance": text(provenance).encode("utf-8", "replace").decode()}


def _png_with(content: bytes, entries: Mapping[str, str]) -> bytes:
    """With an iTXt chunk for each entry after the header. Source: PNG 3rd edition, 11.3.3.4."""
    start = 33  # signature and IHDR
    chunks = b""
    for name, words in entries.items():
        body = b"iTXt" + name.encode("latin-1") + b"\0\0\0\0\0" + words.encode()
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return content[:start] + chunks + content[start:]


def _svg_with(content: bytes, entries: Mapping[str, str]) -> bytes:
    """With a title and a metadata element first in the drawing. Source: SVG 1.1, 5.4 and 21."""
    escaped = {name: escape(NOT_IN_XML.sub("\ufffd", words)) for name, words in entries.items()}
    elements = f"<title>{escaped['Title']}</title><metadata>{escaped['Provenance']}</metadata>"
    place = content.index(b">", content.index(b"<svg")) + 1
    return content[:place] + elements.encode() + content[place:]


def _pdf_with(content: bytes, entries: Mapping[str, str]) -> bytes:
    """With the entries in its information dictionary, as an update after its end.

    Source: ISO 32000-1, 7.5.6 (incremental updates), 14.3.3 (information dictionary).

    Raises:
        ValueError: the document has no plain cross-reference table.
    """
    tail = content[content.rindex(b"trailer") :]
    matches = [
        re.search(pattern, tail)
        for pattern in (rb"/Size (\d+)", rb"/Root (\d+ \d+ R)", rb"startxref\s+(\d+)")
    ]
    size, root, before = (match[1] if match else b"" for match in matches)
    if not (size and root and before):
        raise ValueError("the PDF must have a plain cross-reference table, got another form")
    number, place = int(size), len(content) + 1
    lines = [f"/{name} {_pdf_text(words)}" for name, words in entries.items()]
    info = f"{number} 0 obj\n<<\n{chr(10).join(lines)}\n>>\nendobj\n".encode("ascii")
    table = f"xref\n{number} 1\n{place:010d} 00000 n\r\n".encode("ascii")
    end = (
        f"trailer\n<< /Size {number + 1} /Root {root.decode()} /Info {number} 0 R "
        f"/Prev {before.decode()} >>\nstartxref\n{place + len(info)}\n%%EOF\n"
    ).encode("ascii")
    return content + b"\n" + info + table + end


def _pdf_text(words: str) -> str:
    """Any text as a hexadecimal string of UTF-16."""
    return f"<FEFF{words.encode('utf-16-be', 'replace').hex().upper()}>"
