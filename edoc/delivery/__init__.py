"""Deliveries: one document to one recipient, from consignment over handover to the last business state.

``states`` is the pure state machine; ``inbox`` lists; ``handover`` gives the content out with evidence;
``reports`` takes status messages on.
"""
