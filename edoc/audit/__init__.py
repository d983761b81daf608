"""The offline audit: judging anything the exchange emits, with nothing but files and the reader's own trust anchors.

``model`` says what an audit finds, ``files`` judges a file of any kind, ``bundle`` an export, ``singles`` a message,
a piece of evidence or another signed XML file alone.
"""
