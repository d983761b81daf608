"""Taking a message on: limits, parse, rules, signatures, archive, one transaction, receipt.

``incoming`` receives the bytes, ``verification`` judges them, ``service`` runs the steps, ``documents`` and
``statuses`` are the transactions, ``steps`` names the steps for whoever watches them.
"""
