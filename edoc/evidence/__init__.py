"""Evidence: what the exchange states, under its seal, about something that happened (names of ETSI EN 319 522-1).

``model`` says what a statement holds, ``codec`` writes and reads it, ``issuer`` seals it, ``verifier`` checks it.
"""
