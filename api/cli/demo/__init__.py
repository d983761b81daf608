"""``edoc demo``: the whole story once, through the real service, with every step checked.

``command`` is the command, ``stage`` makes authority, agencies and exchange, ``service`` starts the exchange,
``papers`` makes the documents, ``story`` plays the steps, ``tampering`` changes a byte, ``narrator`` tells and counts.
"""
