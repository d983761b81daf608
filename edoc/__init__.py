"""The exchange itself: messages, agencies, acceptance, delivery, evidence, archive. Knows nothing of HTTP.

Each folder below is one subject and says in its own docstring what it offers; ``api`` calls these and nothing else.
"""
