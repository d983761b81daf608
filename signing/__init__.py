"""Signatures over XML: one hardened parse, canonical forms, XAdES signer and verifier, ASiC-E containers.

For ``edoc``: :mod:`signing.xml` (read a document), :mod:`signing.parts` (what is or must be covered),
:mod:`signing.xades.signer`, :mod:`signing.xades.verifier`, :mod:`signing.report` (the verdict),
:mod:`signing.asice` and :mod:`signing.trust_list`. Nothing here knows agencies, a clock, or the network.
"""
