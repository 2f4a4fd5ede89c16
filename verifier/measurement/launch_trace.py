"""A launch page by page: what a second implementation, or a second build, is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from verifier.measurement.launch_digest import pages_after_firmware
from verifier.measurement.launch_inputs import LaunchInputs
from verifier.measurement.page_chain import EMPTY_DIGEST, Page, add_page

__all__ = ["TracedPage", "trace_launch"]


@dataclass(frozen=True, slots=True)
class TracedPage:
    """A page, and the launch digest (48 bytes) after it. Its text is one line of hex and names."""

    page: Page
    digest: bytes

    def __str__(self) -> str:
        page = self.page
        return f"{page.type.name} {page.gpa:#x} {page.contents.hex()} {self.digest.hex()}"


def trace_launch(
    inputs: LaunchInputs, *, image_pages: Iterable[Page] | None
) -> Iterator[TracedPage]:
    """Every page of a launch in order; the last digest is the launch digest.

    ``image_pages`` are the pages of the firmware (and SVSM) that ``inputs`` were made of; None if
    only ``inputs`` are known, and then the trace starts after them, at their digest.
    """
    digest = inputs.firmware_digest
    if image_pages is not None:
        digest = EMPTY_DIGEST
        for page in image_pages:
            digest = add_page(digest, page)
            yield TracedPage(page, digest)
        if digest != inputs.firmware_digest:
            raise ValueError("these are not the images that the launch inputs were made of")
    for page in pages_after_firmware(inputs):
        digest = add_page(digest, page)
        yield TracedPage(page, digest)
