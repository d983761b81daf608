"""Every way into the exchange: REST, the command line, configuration, and the one place that builds the program.

- ``config``: ``Settings``, the only module that reads the environment;
- ``bootstrap``: the composition root; ``trust``: trust anchors and CRLs that are renewed while the program runs;
- ``app`` and ``rest``: the web application; ``server`` runs it under gunicorn; ``observability``: logs and health;
- ``cli``: the command ``edoc``; ``demonstration``: what the demonstration is made of;
- ``errors``: every exception raised here.
"""
