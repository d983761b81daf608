"""XAdES baseline signatures (EN 319 132-1): :mod:`signing.xades.signer` makes them at level B-B,
:mod:`signing.xades.verifier` judges them and plain XML signatures in the words of EN 319 102-1.

For ``edoc``, which says what parts of a document a signature has to cover.
"""
