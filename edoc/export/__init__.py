"""The export: one ASiC-E container with all that a stranger needs to check a document.

``layout`` names the files, ``container`` writes them; ``edoc.audit`` reads and judges them.
"""
