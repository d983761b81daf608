"""The directory: which agencies exist, under which codes, since when, and with which certificates they may seal.

``model`` is pure; ``repository`` reads and writes it; ``cache`` keeps the present state in memory; ``loader`` reads
the published list.
"""
