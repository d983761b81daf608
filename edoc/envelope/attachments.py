"""Reading attached files: pairing them with the manifest, decoding, unwrapping, and looking at their first bytes.

In a signed message the manifest is what the signature covers, so names and types come from it alone where it names
the file; in an unsigned one its types are often stale and the attachment's own goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from edoc.envelope.elements import ElementReader, Group
from edoc.envelope.filetypes import (
    HEAD_BYTES,
    ZIP_TYPE,
    content_problem,
    extension_of,
    is_media_type,
    media_type_of,
    name_problem,
)
from edoc.envelope.model import Attachment, AttachmentContent, AttachmentFlag
from edoc.envelope.unzip import ZIP_BASED, ZIP_MAGIC, Unusable, unzip
from signing.errors import ContentError
from signing.parts import Base64Part
from signing.xml import Base64Content

_CID: Final = "cid:"
_STANDARD: Final = "ContentTransferEncoded"
_NON_STANDARD: Final = "AttachmentData"


@dataclass(frozen=True)
class Reference:
    """What the manifest says about one file."""

    content_id: str
    content_type: str | None
    attachment_name: str | None
    description: str | None


@dataclass(frozen=True)
class AttachedFiles:
    """The files of a message, and the elements that hold them."""

    attachments: tuple[Attachment, ...] = ()
    parts: tuple[Base64Part, ...] = ()


@dataclass(frozen=True)
class _Decoded:
    """A content after decoding and unwrapping."""

    content: AttachmentContent
    head: bytes
    flags: tuple[AttachmentFlag, ...] = ()


class AttachmentReader:
    """Reads the files of one message."""

    def __init__(self, elements: ElementReader, *, signed: bool) -> None:
        self._elements = elements
        self._findings = elements.findings
        self._limits = elements.limits
        self._signed = signed
        self._bytes_left = self._limits.max_total_attachment_bytes

    def read(self, manifest: Group | None, standard: Group | None, non_standard: Group | None) -> AttachedFiles:
        """The files of ``AttachmentEncoded`` and of ``edXMLAttachments``, named by the manifest."""
        places = [each for each in (standard, non_standard) if each is not None]
        count = sum(len(place.members.get("Attachment", ())) for place in places)
        if count > self._limits.max_attachments:
            self._findings.refuse(
                "R",
                f"{places[0].path}/Attachment",
                f"{count} attachments, more than {self._limits.max_attachments}",
                "send fewer files in one message",
            )
            return AttachedFiles()
        references = self._references(manifest)
        files: dict[str, tuple[Attachment, Base64Part] | None] = {}
        for place in places:
            for position, element in enumerate(place.members.get("Attachment", ()), 1):
                group = self._elements.group(
                    element, self._elements.vocabulary.attachment, f"{place.path}/Attachment[{position}]"
                )
                self._attachment(group, references, files, is_standard=place is standard)
        self._warn_of_dangling(references, files)
        read = [each for each in files.values() if each is not None]
        return AttachedFiles(tuple(each[0] for each in read), tuple(each[1] for each in read))

    def _references(self, manifest: Group | None) -> dict[str, Reference]:
        references: dict[str, Reference] = {}
        if manifest is None:
            return references
        for position, element in enumerate(manifest.members.get("Reference", ()), 1):
            path = f"{manifest.path}/Reference[{position}]"
            group = self._elements.group(element, self._elements.vocabulary.reference, path)
            content_id = self._content_id(group)
            if content_id is None:
                self._elements.missing(group, "ContentId")
            elif content_id in references:
                self._doubled_id(group, content_id)
            else:
                references[content_id] = Reference(
                    content_id,
                    self._media_type(group),
                    self._name(group),
                    self._elements.optional(group, "Description"),
                )
        return references

    def _attachment(
        self,
        group: Group,
        references: Mapping[str, Reference],
        files: dict[str, tuple[Attachment, Base64Part] | None],
        *,
        is_standard: bool,
    ) -> None:
        """Read one file into ``files``; a file that is refused keeps its id there, so that a second one is noticed."""
        content_id = self._content_id(group)
        if content_id is None:
            if is_standard:
                self._elements.missing(group, "ContentId")
                return
            content_id = f"edXMLAttachments-{len(files) + 1}"
        if content_id in files:
            self._doubled_id(group, content_id)
            return
        files[content_id] = None
        element = self._elements.one(group, _STANDARD if is_standard else _NON_STANDARD, required=True)
        reference = references.get(content_id)
        name = self._agreed_name(group, reference)
        if name is None and not (self._signed and reference is not None):
            self._elements.missing(group, "AttachmentName")
        if element is None:
            return
        if self._signed:
            self._check_id(group, element, content_id)
        own_type = self._media_type(group)
        if self._signed and reference is not None:
            own_type = reference.content_type
        decoded = self._decode(group, element, name or "", own_type)
        if decoded is None or name is None:
            return
        if not is_standard:
            decoded = replace(decoded, flags=(*decoded.flags, AttachmentFlag.NON_STANDARD))
        attachment = self._described(group, content_id, name, own_type, reference, decoded)
        files[content_id] = (attachment, Base64Part(content_id, element, attachment.content_type))

    def _described(
        self,
        group: Group,
        content_id: str,
        name: str,
        own_type: str | None,
        reference: Reference | None,
        decoded: _Decoded,
    ) -> Attachment:
        flags = decoded.flags if reference is not None else (*decoded.flags, AttachmentFlag.NO_REFERENCE)
        for flag in flags:
            self._findings.warn("M", group.path, _FLAG_REASONS[flag], "M.Attachment")
        description = self._agreed_description(group, reference)
        content_type = self._content_type(name, own_type, reference, flags)
        return Attachment(content_id, name, content_type, decoded.content, description, flags)

    def _agreed_description(self, group: Group, reference: Reference | None) -> str | None:
        """Under a seal the manifest's alone, like name and type: the attachment's own are not covered."""
        own = self._elements.optional(group, "Description")
        if reference is None:
            return own
        if self._signed:
            if own not in (None, reference.description):
                self._findings.warn("M", f"{group.path}/Description", "the sealed manifest describes it otherwise")
            return reference.description
        return own if reference.description is None else reference.description

    def _content_id(self, group: Group) -> str | None:
        """Without ``cid:``, which some write twice and some not at all."""
        text = self._elements.optional(group, "ContentId")
        if text is None:
            return None
        while text[: len(_CID)].lower() == _CID:
            text = text[len(_CID) :].strip()
        return text or None

    def _doubled_id(self, group: Group, content_id: str) -> None:
        self._findings.refuse(
            "M",
            f"{group.path}/ContentId",
            f"the ContentId {content_id!r} occurs twice",
            "give each file a ContentId of its own",
            group.element,
        )

    def _name(self, group: Group) -> str | None:
        name = self._elements.optional(group, "AttachmentName")
        if name is None:
            return None
        problem = name_problem(name)
        if problem is not None:
            self._findings.refuse(
                "M",
                f"{group.path}/AttachmentName",
                problem,
                "give the file a plain name with its extension",
                group.element,
                "M.AttachmentName",
            )
        return name

    def _agreed_name(self, group: Group, reference: Reference | None) -> str | None:
        own = self._name(group)
        if reference is None or (reference.attachment_name is None and not self._signed):
            return own
        if reference.attachment_name is None:
            self._findings.refuse(
                "N",
                "edXMLManifest/Reference/AttachmentName",
                f"the sealed manifest does not name the file {reference.content_id!r}",
                "name every file in the manifest before sealing",
                group.element,
            )
            return None
        if own is not None and own != reference.attachment_name:
            self._findings.warn(
                "M", f"{group.path}/AttachmentName", f"the manifest names the file {reference.attachment_name!r}"
            )
        return reference.attachment_name

    def _media_type(self, group: Group) -> str | None:
        name = "ContentType" if "ContentType" in group.members else "AttachmentType"
        text = self._elements.optional(group, name, "ContentType")
        if text is not None and not is_media_type(text):
            self._findings.warn("T", f"{group.path}/{name}", f"{text!r} is no media type; taken from the name")
            return None
        return text

    def _content_type(
        self, name: str, own: str | None, reference: Reference | None, flags: tuple[AttachmentFlag, ...]
    ) -> str:
        """The type of the file itself: not that of a ZIP in which it came."""
        named = None if reference is None else reference.content_type
        is_zip = extension_of(name) == "zip" or AttachmentFlag.ZIP_KEPT in flags
        for candidate in (named,) if self._signed and reference is not None else (own, named):
            if candidate is not None and (is_zip or candidate.lower() != ZIP_TYPE):
                return candidate
        return ZIP_TYPE if is_zip else media_type_of(name)

    def _check_id(self, group: Group, element: etree._Element, content_id: str) -> None:
        """The signature names the content by ``Id`` and the manifest by ``ContentId``: only if both are the same is
        the name bound to the content.
        """
        identifier = element.get("Id")
        if identifier is not None and identifier != content_id:
            self._findings.refuse(
                "M",
                f"{group.path}/{_STANDARD}/@Id",
                f"the signed content has the Id {identifier!r} and the ContentId {content_id!r}",
                "use the ContentId as Id",
                element,
            )

    def _decode(self, group: Group, element: etree._Element, name: str, own_type: str | None) -> _Decoded | None:
        path = f"{group.path}/{etree.QName(element).localname}"
        if len(element):
            self._findings.refuse("T", path, "other markup stands where base64 is expected", "write base64", element)
            return None
        content = self._elements.document.content(element)
        # Line breaks make the text a little longer than needed: the exact size is known after decoding only.
        if not self._fits(path, element, content.size_at_most * 9 // 10):
            return None
        try:
            head = _read_once(content)
        except ContentError as error:
            self._findings.refuse("T", path, str(error), "encode the file in base64 (RFC 4648 section 4)", element)
            return None
        if not self._fits(path, element, content.size):
            return None
        self._bytes_left -= content.size
        if content.size == 0:
            self._elements.missing(group, etree.QName(element).localname)
            return None
        decoded = self._unwrapped(path, element, content, head, name, own_type)
        if decoded is not None and AttachmentFlag.ZIP_KEPT not in decoded.flags:
            self._check_head(path, element, name, decoded.head)
        return decoded

    def _fits(self, path: str, element: etree._Element, size: int) -> bool:
        """Whether a file of so many bytes is within the limits."""
        if size <= self._limits.max_attachment_bytes and size <= self._bytes_left:
            return True
        self._findings.refuse(
            "R",
            path,
            f"the file is larger than {self._limits.max_attachment_bytes} bytes, or all files together larger than "
            f"{self._limits.max_total_attachment_bytes}",
            "send smaller files, or several messages",
            element,
        )
        return False

    def _unwrapped(
        self,
        path: str,
        element: etree._Element,
        content: Base64Content,
        head: bytes,
        name: str,
        own_type: str | None,
    ) -> _Decoded | None:
        """Section 9.2 of the reference: a ZIP that carries the file, or a file that is a ZIP."""
        as_it_is = _Decoded(content, head)
        labelled = (own_type or "").lower() == ZIP_TYPE
        extension = extension_of(name)
        is_zip_based = extension in ZIP_BASED
        if not head.startswith(ZIP_MAGIC) or extension == "zip" or (is_zip_based and not labelled):
            return as_it_is
        too_large = content.size > self._limits.max_unzipped_bytes
        found = Unusable.TOO_LARGE if too_large else unzip(content.read(), self._limits, HEAD_BYTES)
        if found is Unusable.TOO_LARGE or found is Unusable.DAMAGED:
            if is_zip_based:
                return as_it_is
            self._refuse_zip(path, element, found)
            return None
        if isinstance(found, Unusable):
            return as_it_is if is_zip_based else _Decoded(content, head, (AttachmentFlag.ZIP_KEPT,))
        if is_zip_based and found.extension != extension:
            return as_it_is
        flags = () if labelled else (AttachmentFlag.ZIP_MISLABELLED,)
        return _Decoded(found.content, found.head, flags)

    def _refuse_zip(self, path: str, element: etree._Element, why: Unusable) -> None:
        if why is Unusable.TOO_LARGE:
            self._findings.refuse(
                "R",
                path,
                f"the file came as a ZIP that unpacks to more than {self._limits.max_unzipped_bytes} bytes or more than"
                f" {self._limits.max_unzipped_ratio} times its size",
                "send the file itself, not in a ZIP",
                element,
            )
        else:
            self._findings.refuse(
                "M",
                path,
                "the file came as a ZIP that is damaged",
                "send the file itself, not in a ZIP",
                element,
                "M.Attachment-Type",
            )

    def _check_head(self, path: str, element: etree._Element, name: str, head: bytes) -> None:
        problem = content_problem(name, head)
        if problem is not None:
            self._findings.refuse(
                "M", path, problem, "attach the file again, read as binary data", element, "M.Attachment-Type"
            )

    def _warn_of_dangling(self, references: Mapping[str, Reference], files: Mapping[str, object]) -> None:
        for position, content_id in enumerate(references, 1):
            if content_id not in files:
                path = f"edXMLManifest/Reference[{position}]"
                self._findings.warn("N", path, f"there is no attachment with the ContentId {content_id!r}")


_FLAG_REASONS: Final = {
    AttachmentFlag.ZIP_MISLABELLED: "the file came in a ZIP under another content type; unwrapped",
    AttachmentFlag.ZIP_KEPT: "the file came as a ZIP that does not hold exactly one file; kept as it is",
    AttachmentFlag.NO_REFERENCE: "the manifest does not name the file",
    AttachmentFlag.NON_STANDARD: "the file came in edXMLAttachments, which other software does not read",
}


def _read_once(content: Base64Content) -> bytes:
    """Decode the whole content in one pass, which leaves its size and SHA-256 known, and return its first bytes."""
    first: list[bytes] = []

    def keep_first(chunk: bytes) -> None:
        if not first:
            first.append(chunk[:HEAD_BYTES])

    content.consume(keep_first)
    return first[0] if first else b""
