"""The command line ``edoc`` (click and rich): one module a command group, for officers, operators and auditors.

``main`` finds the commands without importing them, ``command`` gives each of them ``--json``, ``--lang`` and
``--debug`` and its ends, ``output`` owns what goes to the terminal, ``problems`` makes each known error one line.
"""
