"""The names of edXML in its two namespaces, as tables from an element's tag to the name the reader works with.

Prefixes carry no meaning. The namespace of the root decides for the whole message; other spellings of a name that
occur in the field are mapped to the one of the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas import SchemaName

EDXML: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
OLD_EDXML: Final = "http://www.e-doc.vn/Schema/"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
DS_SIGNATURE: Final = f"{{{DS}}}Signature"

Names = Mapping[object, str]
"""From the tag in Clark notation to the name. Keys are objects, since the tag of a processing instruction is none."""

_SPELLINGS: Final = {
    "Bussiness": "Business",
    "BussinessDocType": "BusinessDocType",
    "BussinessDocReason": "BusinessDocReason",
    "OrganizationInCharge": "OrganInCharge",
}


@dataclass(frozen=True)
class Vocabulary:
    """The children that each group knows, for one namespace."""

    namespace: str
    other_namespace: str
    schema: SchemaName
    root: Names
    envelope: Names
    header: Names
    body: Names
    message_header: Names
    organization: Names
    code: Names
    promulgation_info: Names
    document_type: Names
    signer_info: Names
    other_info: Names
    appendixes: Names
    response_for: Names
    to_places: Names
    staff_info: Names
    trace_header_list: Names
    trace_header: Names
    bussiness: Names
    manifest: Names
    reference: Names
    attachments: Names
    attachment: Names


def _vocabulary(namespace: str, other: str, schema: SchemaName) -> Vocabulary:
    def names(text: str) -> dict[object, str]:
        table: dict[object, str] = {f"{{{namespace}}}{name}": name for name in text.split()}
        table |= {f"{{{namespace}}}{_SPELLINGS[name]}": name for name in text.split() if name in _SPELLINGS}
        return table

    return Vocabulary(
        namespace=namespace,
        other_namespace=other,
        schema=schema,
        root=names("edXMLEnvelope AttachmentEncoded"),
        envelope=names("edXMLHeader edXMLBody edXMLAttachments"),
        header=names("MessageHeader Status TraceHeaderList Signature DigitalSignature") | {DS_SIGNATURE: "Signature"},
        body=names("edXMLManifest"),
        message_header=names(
            "From To DocumentId Code PromulgationInfo DocumentType Subject Content SignerInfo DueDate OtherInfo"
            " ResponseFor SteeringType ResponseForTask ApplicationType ToPlaces StaffInfo StatusCode Description"
            " Timestamp"
        ),
        organization=names("OrganId OrganizationInCharge OrganName OrganAdd Email Telephone Fax Website"),
        code=names("CodeNumber CodeNotation"),
        promulgation_info=names("Place PromulgationDate"),
        document_type=names("Type TypeDetail TypeName"),
        signer_info=names("Competence Position FullName"),
        other_info=names(
            "Priority SphereOfPromulgation TyperNotation PromulgationAmount PageAmount ReplyFors Direction"
            " ReferenceCodes Appendixes"
        ),
        appendixes=names("Appendix"),
        response_for=names("OrganId Code DocumentId PromulgationDate"),
        to_places=names("Place"),
        staff_info=names("Department DepartmentId Staff StaffId Email Mobile"),
        trace_header_list=names("TraceHeader Bussiness"),
        trace_header=names("OrganId Timestamp"),
        bussiness=names(
            "DocumentId BussinessDocType BussinessDocReason Paper BussinessDocumentInfo ReplacementInfoList StaffInfo"
        ),
        manifest=names("Reference"),
        reference=names("ContentId ContentType AttachmentName Description"),
        attachments=names("Attachment"),
        attachment=names(
            "ContentId ContentType AttachmentName Description ContentTransferEncoded Format FieldName MimeType"
            " AttachmentType AttachmentSize AttachmentData"
        ),
    )


VOCABULARIES: Final[Mapping[str, Vocabulary]] = {
    f"{{{EDXML}}}edXML": _vocabulary(EDXML, OLD_EDXML, SchemaName.EDXML_READ),
    f"{{{OLD_EDXML}}}edXML": _vocabulary(OLD_EDXML, EDXML, SchemaName.EDXML_READ_OLD),
}
"""By the tag of the root."""
