"""edXML messages: frozen values, a tolerant reader, a strict writer. For the services of ``edoc``; no I/O, no clock.

- :mod:`edoc.envelope.model`: the values.
- :mod:`edoc.envelope.codec`: ``decode`` and ``encode``.
- :mod:`edoc.envelope.limits`: what one message may cost.
- :mod:`edoc.envelope.rules`: what is said about a message as a whole, such as marks of secrecy.
- :mod:`edoc.envelope.codes`, :mod:`edoc.envelope.document_id`: agency codes and identifiers of documents.
"""
