"""Private keys and certificates: who holds a key, whom a certificate names, and whether it may be believed at a time.

For ``signing`` and everything above it; knows no XML and no agencies.

- ``store``: the protocols ``SigningKey`` and ``KeyStore``; ``memory`` and ``pkcs12`` fulfil them.
- ``certificates``: reading certificates and CRLs, and the facts this exchange puts into them.
- ``profile``: what a certificate must be for its use: strength, key usage, basic constraints.
- ``trust``: trust anchors and path validation at a given time; ``vouched``: what really lies on the way to one;
  ``revocation``: what CRLs say about a certificate.
- ``authority``: a demonstration authority; nothing it issues has legal effect; ``issuance``
  and ``register``: what its certificates look like and what it remembers.
- ``errors``: every exception raised here.
"""
